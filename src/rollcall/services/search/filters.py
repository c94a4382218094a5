"""The filters of a list."""

from sqlalchemy import Boolean, bindparam

from rollcall.models import User

CONDITIONS = {
    "is_active": User.is_active == bindparam("is_active", type_=Boolean),
    "is_superuser": User.is_superuser == bindparam("is_superuser", type_=Boolean),
}
