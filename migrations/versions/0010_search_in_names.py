"""Let a search read the list by name in its index alone; and find the inactive superusers, few among few, by themselves.

The indexes by name include the text that is searched: a row is looked at in less than a microsecond, without a visit to the
table. Each is built beside the old one while users come and go, and then takes its name.
"""

from itertools import product

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAMES = {
    "uq_users_{0}": {"unique": True},
    "ix_users_superusers_by_{0}": {"postgresql_where": sa.text("is_superuser")},
    "ix_users_inactive_by_{0}": {"postgresql_where": sa.text("NOT is_active")},
}
INCLUDED = ["id", "is_active", "is_superuser"]
RARE = "ix_users_inactive_superusers"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        _create(RARE, ["created_at", "id"], postgresql_where=sa.text("is_superuser AND NOT is_active"))
        _replace([*INCLUDED, "search_text"])


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        _replace(INCLUDED)
        op.drop_index(RARE, "users", if_exists=True, postgresql_concurrently=True)


def _replace(included: list[str]) -> None:
    for pattern, column in product(NAMES, ("username", "email")):
        name, key = pattern.format(column), f'(lower({column}) COLLATE "C")'
        _create(f"{name}_new", [key], postgresql_include=[column, *included], **NAMES[pattern])
        # Sent together, so they are one transaction: at no moment is a name of a user not unique, or the index not of this name.
        op.execute(f"DROP INDEX {name}; ALTER INDEX {name}_new RENAME TO {name}")


def _create(name: str, keys: list[str], **options: object) -> None:
    op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
    op.create_index(name, "users", [sa.text(key) for key in keys], postgresql_concurrently=True, **options)
