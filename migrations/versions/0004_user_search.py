"""Index every substring of username, e-mail and full name by trigrams (pg_trgm)."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEARCH_TEXT = "lower(username || chr(31) || email || chr(31) || COALESCE(full_name, ''))"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A trusted extension: the owner of the database may create it without being a superuser of the server.
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.drop_index("ix_users_search", "users", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_users_search",
            "users",
            [sa.text(f"({SEARCH_TEXT}) gin_trgm_ops")],
            postgresql_using="gin",
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_users_search", "users", if_exists=True, postgresql_concurrently=True)
    # The extension stays: other things in this database may use it by now.
