"""Index every substring of username, e-mail and full name by its characters and pairs.

It had another index by trigrams (pg_trgm) beside it, which 0009 replaced. To come here needs no extension any more, and so no
right to create one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SHORT_GRAMS = r"""(
    string_to_array(search_text, NULL) || string_to_array(
        regexp_replace(search_text, '(..)', '\1 ', 'g') || ' ' || regexp_replace(substr(search_text, 2), '(..)', '\1 ', 'g'), ' '
    )
)"""
INDEXES = {"ix_users_search_short": SHORT_GRAMS}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, expression in INDEXES.items():
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "users", [sa.text(expression)], postgresql_using="gin", postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in ("ix_users_search_short", "ix_users_search"):  # the latter of an earlier form of this migration
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
