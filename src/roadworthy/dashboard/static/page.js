// What every page has: live regions, keys, themes, questions before what cannot be undone, and lists to select from.
import "./theme.js";
import "./times.js";
import "./keys.js";
import "./forms.js";
import "./select.js";
import "./suggest.js";
import "./copy.js";
import "./live.js";
import "./review.js";
