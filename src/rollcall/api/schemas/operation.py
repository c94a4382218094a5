"""Statistics, health and pool metrics."""

import marshmallow as ma

from rollcall.api.schemas.base import Number, Schema


class StatisticsSchema(Schema):
    """The state of the user base at one moment; exact."""

    total_users = ma.fields.Integer(metadata={"examples": [1320]})
    active_users = ma.fields.Integer(metadata={"examples": [1214]})
    inactive_users = ma.fields.Integer(metadata={"examples": [106]})
    superusers = ma.fields.Integer(metadata={"examples": [3]})
    new_users_today = ma.fields.Integer(metadata={"description": "Since midnight, UTC.", "examples": [4]})
    new_users_week = ma.fields.Integer(metadata={"description": "In the last seven days.", "examples": [31]})
    timestamp = ma.fields.String(metadata={"format": "date-time", "examples": ["2026-11-23T09:30:00+00:00"]})


class SignupsQuerySchema(Schema):
    days = Number(1, 366, load_default=30)


class SignupDaySchema(Schema):
    date = ma.fields.Date(metadata={"examples": ["2026-11-23"]})
    count = ma.fields.Integer(metadata={"examples": [4]})


class SignupsSchema(Schema):
    days = ma.fields.List(ma.fields.Nested(SignupDaySchema))


class PoolSchema(Schema):
    pool_size = ma.fields.Integer(metadata={"examples": [2]})
    checked_in = ma.fields.Integer(metadata={"examples": [1]})
    checked_out = ma.fields.Integer(metadata={"examples": [1]})
    overflow = ma.fields.Integer(metadata={"examples": [0]})
    total_connections = ma.fields.Integer(metadata={"examples": [2]})


class WorkerPoolSchema(PoolSchema):
    pid = ma.fields.Integer(metadata={"examples": [4711]})


class PoolsSchema(PoolSchema):
    """Sums over all live workers of this machine, and each worker's own."""

    workers = ma.fields.List(ma.fields.Nested(WorkerPoolSchema))


class CheckSchema(Schema):
    status = ma.fields.String(metadata={"enum": ["healthy", "unhealthy"]})
    provider = ma.fields.String(metadata={"examples": ["postgresql"]})
    latency_ms = ma.fields.Float(allow_none=True, metadata={"examples": [0.8]})
    error = ma.fields.String(metadata={"description": "Only on a failed check.", "examples": ["not reachable"]})


class HealthSchema(Schema):
    status = ma.fields.String(metadata={"enum": ["healthy", "unhealthy"]})
    app_name = ma.fields.String(metadata={"examples": ["Rollcall"]})
    version = ma.fields.String(metadata={"examples": ["0.1.0"]})
    checks = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Nested(CheckSchema))


class ProbeSchema(Schema):
    status = ma.fields.String(metadata={"enum": ["alive", "ready", "not_ready"], "examples": ["ready"]})
