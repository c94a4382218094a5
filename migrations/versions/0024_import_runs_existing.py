"""Keep with a checked file what its import does with users who are there already, and the counts of its result.

The previous code goes on to write import runs: the defaults are what it does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_NEW = ("existing", "only_good", "rows", "changed", "unchanged")


def upgrade() -> None:
    op.add_column("import_runs", sa.Column("existing", sa.String(10), server_default="fail", nullable=False))
    op.add_column("import_runs", sa.Column("only_good", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name in ("rows", "changed", "unchanged"):
        op.add_column("import_runs", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in reversed(_NEW):
        op.drop_column("import_runs", name)
