"""The app: a project's declarations, the parts that serve them, and their life in a process.

    catalogue    what the code declares, and what the settings say to it
    wiring       builds the parts and connects them; the only place where anything is wired
    joints       what one part is handed of another that it does not know
    declaring    `@app.step`, `@app.action`, `@app.workflow`, `app.prompt`
    app          loads a project, opens it, runs it

`Catalogue`, `Wiring`, `Declaring`, `App`: each is the one before it with one subject more.
"""

from roadworthy.app.app import App

__all__ = ["App"]
