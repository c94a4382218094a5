"""Let a search be kept to days, states and beginnings of names, and far pages by name be found in their index alone.

One index takes the place of the two that searched; those by name include what a list filters by. Each is built beside the
old one while users come and go, and then takes its name.
"""

from itertools import product

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SHORT_GRAMS = r"""(
    string_to_array(search_text, NULL) || string_to_array(
        regexp_replace(search_text, '(..)', '\1 ', 'g') || ' ' || regexp_replace(substr(search_text, 2), '(..)', '\1 ', 'g'), ' '
    )
)"""
BEGINNINGS = """(ARRAY[
    rpad(lower({0}), 1), rpad(lower({0}), 2), rpad(lower({0}), 3), rpad(lower({0}), 4), rpad(lower({0}), 5),
    NULLIF(left(lower({0}), 5) ~ '[^a-z0-9._+-]', false)::text
])"""
SEARCH = [
    SHORT_GRAMS,
    "(ARRAY[(created_at AT TIME ZONE 'UTC')::date])",
    "(ARRAY[is_active])",
    "(ARRAY[is_superuser])",
    BEGINNINGS.format("username"),
    BEGINNINGS.format("email"),
]


NAMES = {
    "uq_users_{0}": {"unique": True},
    "ix_users_superusers_by_{0}": {"postgresql_where": sa.text("is_superuser")},
    "ix_users_inactive_by_{0}": {"postgresql_where": sa.text("NOT is_active")},
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        _create("ix_users_search_new", SEARCH, postgresql_using="gin")
        drop = "DROP INDEX IF EXISTS ix_users_search, ix_users_search_short"
        op.execute(f"{drop}; ALTER INDEX ix_users_search_new RENAME TO ix_users_search")
        for name, column in product(NAMES, ("username", "email")):
            included = [column, "id", "is_active", "is_superuser"]
            _replace(name.format(column), [_key(column)], postgresql_include=included, **NAMES[name])


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        for name, column in product(NAMES, ("username", "email")):
            _replace(name.format(column), [_key(column)], **NAMES[name])
        _create("ix_users_search_short", [SHORT_GRAMS], postgresql_using="gin")
        op.drop_index("ix_users_search", "users", postgresql_concurrently=True)


def _key(column: str) -> str:
    return f'(lower({column}) COLLATE "C")'


def _create(name: str, keys: list[str], **options: object) -> None:
    op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
    op.create_index(name, "users", [sa.text(key) for key in keys], postgresql_concurrently=True, **options)


def _replace(name: str, keys: list[str], **options: object) -> None:
    _create(f"{name}_new", keys, **options)
    # Sent together, so they are one transaction: at no moment is a name of a user not unique, or the index not of this name.
    op.execute(f"DROP INDEX {name}; ALTER INDEX {name}_new RENAME TO {name}")
