"""Index the users by state and by age (R2).

``ix_users_is_active`` and ``ix_users_is_superuser`` carry ``created_at`` and ``id`` as well: a filtered list in its
default order, and any cursor into it, is then one short scan of one index. They are built concurrently, since the
table may be large and in use; a build that was interrupted leaves an invalid index, which the next run replaces.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_users_is_active": ["is_active", "created_at", "id"],
    "ix_users_is_superuser": ["is_superuser", "created_at", "id"],
    "ix_users_created_at": ["created_at", "id"],
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "users", columns, postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in reversed(INDEXES):
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
