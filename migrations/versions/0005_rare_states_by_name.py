"""Index superusers and inactive users in the order of names: few among many, they would be far between there."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_users_superusers_by_username": ("username", "is_superuser"),
    "ix_users_superusers_by_email": ("email", "is_superuser"),
    "ix_users_inactive_by_username": ("username", "NOT is_active"),
    "ix_users_inactive_by_email": ("email", "NOT is_active"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, (column, state) in INDEXES.items():
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
            key = sa.text(f'(lower({column}) COLLATE "C")')
            op.create_index(name, "users", [key], postgresql_where=sa.text(state), postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in reversed(INDEXES):
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
