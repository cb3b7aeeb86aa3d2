"""What a key may still ask: a bucket in the database that fills evenly, from which every web process takes."""

from typing import NamedTuple

from django.db import connection

# One statement, its own transaction. A crash may give back what was taken in the last moments, which hurts nobody, so
# the commit waits for no disk. Times are the database's: one clock for all.
_TAKE = """
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO reviews_allowance AS bucket (key_id, "left", taken, at)
SELECT %(key)s, %(limit)s - %(most)s, %(most)s, statement_timestamp() FROM quick
ON CONFLICT (key_id) DO UPDATE SET ("left", taken, at) = (
    SELECT filled.amount - grant_.amount, grant_.amount, GREATEST(bucket.at, statement_timestamp())
      FROM (SELECT LEAST(%(limit)s, bucket."left" + %(limit)s / 60.0 * GREATEST(
                0, EXTRACT(EPOCH FROM statement_timestamp() - bucket.at)::float)) AS amount) filled,
           LATERAL (SELECT LEAST(%(most)s, GREATEST(0, floor(filled.amount + 1e-9))) AS amount) grant_)
RETURNING taken, "left"
"""


class Taken(NamedTuple):
    requests: int  # that may be made now; 0: none
    seconds: float  # until the next one may be made, where it is none


def take_requests(key_id: int, *, a_minute: int, most: int) -> Taken:
    """Take up to `most` requests out of the bucket of a key, which holds a minute's. Writes its Allowance.

    `most` is at most `a_minute`. Two that ask at once are served one after the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"key": key_id, "limit": float(a_minute), "most": float(most)})
        taken, left = cursor.fetchone()
    return Taken(requests=int(taken), seconds=max(0.0, (1 - left) * 60 / a_minute))
