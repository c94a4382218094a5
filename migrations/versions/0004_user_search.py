"""Index every substring of username, e-mail and full name: by trigrams (pg_trgm), shorter ones by characters and pairs."""

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
INDEXES = {"ix_users_search": "search_text gin_trgm_ops", "ix_users_search_short": SHORT_GRAMS}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A trusted extension: the owner of the database may create it without being a superuser of the server.
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        for name, expression in INDEXES.items():
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "users", [sa.text(expression)], postgresql_using="gin", postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in reversed(INDEXES):
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
    # The extension stays: other things in this database may use it by now.
