"""How far judges can be trusted: people's labels of outputs, what they say of a judge, and the record of it.

labels.py      a file of labels, and which outputs of an experiment they are about
sheet.py       outputs to be labelled, drawn at random
compare.py     a judge against people: agreement, bias, and the share that people would have found
pairs.py       which of two experiments' answers a judge of pairs prefers
record.py      judges.json of a suite: which judges may decide, and the labels that say so
notes.py       what a verdict tells of the judges that took part
"""

from roadworthy.evals.judging.compare import Compared, compare
from roadworthy.evals.judging.labels import Label, read_labels
from roadworthy.evals.judging.notes import judge_notes
from roadworthy.evals.judging.record import Record, read_record, write_record

__all__ = [
    "Compared",
    "Label",
    "Record",
    "compare",
    "judge_notes",
    "read_labels",
    "read_record",
    "write_record",
]
