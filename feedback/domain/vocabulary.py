"""The words of feedback, each in one place. A comment says when a member holds."""

from django.db.models import TextChoices


class LabelSource(TextChoices):
    """Where the best known truth of a decision comes from."""

    GATE = "gate", "Gate verdict"
    AUDIT = "audit", "Audit verdict"
    SECOND_OPINION = "second_opinion", "Second opinion"
    GROUND_TRUTH = "ground_truth", "Later ground truth"


class AlarmKind(TextChoices):
    """What is wrong."""

    DRIFT = "drift", "Drift"  # errors rose against the reference window
    OVERRIDE_RATE = "override_rate", "Override rate too high"  # Wilson lower bound past the workflow's limit
    AUDIT_ERRORS = "audit_errors", "Audit errors"  # the e-process against the claim crossed its bound
    CALIBRATION = "calibration", "Confidences too high"  # surely less often right than the AI says of itself
    CERTIFICATE_EXPIRED = "certificate_expired", "Certificate expired"


# Those that say how something is: they end when it no longer is. The others say that autonomy was taken back, and wait
# for what a person makes of that.
ENDS_BY_ITSELF = (AlarmKind.OVERRIDE_RATE, AlarmKind.CALIBRATION)


class CertificateMethod(TextChoices):
    """How a threshold was certified."""

    FIXED_SEQUENCE = "fixed_sequence", "Fixed sequence, one look"
    MULTI_START = "multi_start", "Several starts, one look"
    CONTINUOUS = "continuous", "Continuous, by e-values"


class CommentKind(TextChoices):
    """What a comment is for."""

    NOTE = "note", "Note"
    CORRECTION = "correction", "Correction"
    QUESTION = "question", "Question"


class RunState(TextChoices):
    """Where a back-test or an export stands."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class ExportFormat(TextChoices):
    """What the file is."""

    JSON_LINES = "jsonl", "JSON Lines"
    PARQUET = "parquet", "Parquet"  # where pyarrow is installed


class ExportShape(TextChoices):
    """What a line of an export is. datasets.py makes each."""

    DECISIONS = "decisions", "Decisions with their verdicts"  # everything there is
    LABELS = "labels", "Labels with their probabilities"
    CORRECTIONS = "corrections", "Corrections, as chats"  # what a person let run
    PREFERENCES = "preferences", "Preference pairs: prompt, chosen, rejected"
    PREFERENCES_FOR_SERVICES = "preferences_for_services", "Preference pairs: preferred and non-preferred output"
