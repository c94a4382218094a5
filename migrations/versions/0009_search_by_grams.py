"""Let a search leave out those whose name begins with its term: by n-grams as a tsvector.

The index is built beside the old one while users come and go, and then takes its name.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SHORT_GRAMS = r"""(
    string_to_array(search_text, NULL) || string_to_array(
        regexp_replace(search_text, '(..)', '\1 ', 'g') || ' ' || regexp_replace(substr(search_text, 2), '(..)', '\1 ', 'g'), ' '
    )
)"""
GRAMS = r"""(array_to_tsvector(array_remove(
    string_to_array(search_text, NULL) || string_to_array(
        regexp_replace(search_text, '(..)', '\1 ', 'g') || ' ' || regexp_replace(substr(search_text, 2), '(..)', '\1 ', 'g')
        || ' ' || regexp_replace(search_text, '(...)', '\1 ', 'g')
        || ' ' || regexp_replace(substr(search_text, 2), '(...)', '\1 ', 'g')
        || ' ' || regexp_replace(substr(search_text, 3), '(...)', '\1 ', 'g'), ' '
    ) || ARRAY[
        'username:' || rpad(lower(username), 1), 'username:' || rpad(lower(username), 2), 'username:' || rpad(lower(username), 3),
        'username:' || rpad(lower(username), 4), 'username:' || rpad(lower(username), 5),
        'email:' || rpad(lower(email), 1), 'email:' || rpad(lower(email), 2), 'email:' || rpad(lower(email), 3),
        'email:' || rpad(lower(email), 4), 'email:' || rpad(lower(email), 5)
    ], ''
)))"""
BEGINNINGS = """(ARRAY[
    rpad(lower({0}), 1), rpad(lower({0}), 2), rpad(lower({0}), 3), rpad(lower({0}), 4), rpad(lower({0}), 5),
    NULLIF(left(lower({0}), 5) ~ '[^a-z0-9._+-]', false)::text
])"""
UNCHANGED = [
    "(ARRAY[(created_at AT TIME ZONE 'UTC')::date])",
    "(ARRAY[is_active])",
    "(ARRAY[is_superuser])",
    BEGINNINGS.format("username"),
    BEGINNINGS.format("email"),
]


def upgrade() -> None:
    _replace([GRAMS, *UNCHANGED])


def downgrade() -> None:
    _replace([SHORT_GRAMS, *UNCHANGED])


def _replace(keys: list[str]) -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        op.drop_index("ix_users_search_new", "users", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_users_search_new", "users", [sa.text(key) for key in keys], postgresql_using="gin", postgresql_concurrently=True
        )
        # Sent together, so they are one transaction: at no moment is there no index of this name.
        op.execute("DROP INDEX ix_users_search; ALTER INDEX ix_users_search_new RENAME TO ix_users_search")
