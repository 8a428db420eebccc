//! The examples of the document, each written once.

use serde_json::{Value, json};

/// A key.
pub fn key() -> Value {
    json!({
        "id": "key_9f3KtWq2Zc", "object": "key", "uuid": "01990f6e-5b1a-7c3e-9a77-3d1d2a6f0c55",
        "prefix": "argus_live_9f3KtWq2Zc", "name": "billing-prod", "description": "nightly invoices", "status": "active",
        "environment": "live", "type": "application", "owner": "own_9f3KtWq2Zc", "owner_name": "acme",
        "scopes": ["invoices:read"], "roles": ["billing"], "plan": "pro",
        "conditions": {"ip": {"allow": ["203.0.113.0/24"], "deny": []}}, "condition_names": [], "limits": [], "quota": {"units": 2_000_000, "every": "month", "of": "plan", "used": 517_887, "resets_at": "2026-10-01T00:00:00Z"},
        "not_before": null, "expires_at": "2026-12-20T13:33:20Z",
        "rotation": {"replaced_by": null, "replaces": null},
        "last_used": {"at": "2026-09-21T13:33:16Z", "ip": "203.0.113.9", "country": "DE", "route": "orders", "status": 200},
        "counters": [{"name": "minute", "kind": "rate", "limit": "3000/min", "units": 3000, "used": 12, "remaining": 2988,
            "resets_at": "2026-09-21T13:34:00Z"}],
        "usage": {"total": 1204, "refused": 3}, "flags": {"exposed": false, "weak": false, "unused_days": 0},
        "meta": {"tenant": "acme-eu"}, "tags": ["billing"], "created_at": "2026-09-21T09:00:00Z", "created_by": "adm_root",
        "updated_at": "2026-09-21T09:00:00Z", "revoked": null, "etag": "W/\"1\""
    })
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

/// A key that was just made. The secret is the test vector of the format.
pub fn new_key() -> Value {
    with(
        key(),
        json!({
            "last_used": null, "counters": [], "usage": {"total": 0, "refused": 0},
            "secret": "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG",
            "examples": {
                "curl": "curl -H \"X-API-Key: $KEY\" http://localhost:8080/",
                "javascript": "await fetch(\"http://localhost:8080/\", { headers: { \"X-API-Key\": `${process.env.KEY}` } })",
                "python": "urllib.request.urlopen(urllib.request.Request(\"http://localhost:8080/\", headers={\"X-API-Key\": \"\" + os.environ[\"KEY\"]}))"
            }
        }),
    )
}

/// A key that was just revoked.
pub fn revoked_key() -> Value {
    with(
        key(),
        json!({
            "status": "revoked", "revoked": {"at": "2026-09-21T14:00:00Z", "reason": "leaked", "by": "adm_root"},
            "etag": "W/\"2\"", "propagated": {"nodes": 1, "acknowledged": 1, "ms": 4}
        }),
    )
}

/// An owner.
pub fn owner() -> Value {
    json!({
        "id": "own_9f3KtWq2Zc", "object": "owner", "kind": "application", "external_id": "cust-17", "name": "acme",
        "contacts": ["ops@acme.example"], "meta": {}, "limits": [], "created_at": "2026-09-21T09:00:00Z",
        "updated_at": "2026-09-21T09:00:00Z", "etag": "W/\"1\""
    })
}

fn document(kind: &str, name: &str, settings: Value) -> Value {
    let facts = json!({
        "object": kind, "name": name, "managed_by": "api", "created_at": "2026-09-21T09:00:00Z",
        "updated_at": "2026-09-21T09:00:00Z", "etag": "W/\"1\""
    });
    with(facts, settings)
}

/// A role.
pub fn role() -> Value {
    document(
        "role",
        "billing",
        json!({"scopes": ["invoices:read", "invoices:write"], "description": "books and bills"}),
    )
}

/// A plan.
pub fn plan() -> Value {
    document("plan", "pro", json!({"limits": [{"rate": "3000/min"}], "quota": {"units": 2_000_000, "every": "month"}}))
}

/// A condition.
pub fn condition() -> Value {
    document("condition", "office", json!({"ip": {"allow": ["203.0.113.0/24"], "deny": []}}))
}

/// A page with one row.
pub fn list(row: Value) -> Value {
    json!({"data": [row], "has_more": false, "next_cursor": null})
}

/// An audit record.
pub fn audit_record() -> Value {
    json!({
        "seq": 2, "id": "01990f6e-5b1a-7c3e-9a77-3d1d2a6f0c55", "time": "2026-09-21T13:34:00Z",
        "actor": {"type": "admin", "id": "adm_root", "name": "root", "via": "http"}, "action": "key.revoke",
        "target": {"type": "key", "id": "key_9f3KtWq2Zc", "name": "billing-prod"}, "outcome": "success",
        "reason": "leaked: found in a public repository", "source_ip": "127.0.0.1", "user_agent": "argus/0.1.0",
        "request_id": "01990f6e-5b1a-7c3e-9a77-3d1d2a6f0c56",
        "changes": [{"path": "/revoked", "before": null,
            "after": {"at": "2026-09-21T13:34:00Z", "reason": "leaked", "by": "adm_root"}}],
        "prev_hash": "e90fcadb7a6c13eae238d94cb4f9bb01b699cf897fca5832b2bd3ba2ca4bdeb3",
        "hash": "de47a732120fea1cc6c58591cd14efc6741789c475ae469e2d30de23bebd278f"
    })
}

/// A decision.
pub fn decision() -> Value {
    json!({
        "seq": 17, "ts": "2026-09-21T13:33:20.123Z", "request_id": "01990f6e-5b1a-7c3e-9a77-3d1d2a6f0c55", "route": "orders",
        "client_ip": "203.0.113.9", "country": "DE", "method": "POST", "path": "/v1/orders", "status": 429,
        "outcome": "refused", "code": "rate_limited", "key_id": "9f3KtWq2Zc", "owner": "acme"
    })
}

/// An explanation.
pub fn explanation() -> Value {
    json!({
        "object": "explanation", "valid": false, "status": 403, "code": "insufficient_scope",
        "detail": "This key may not POST to /v1/invoices. It needs the scope invoices:write.",
        "steps": [
            {"name": "route", "outcome": "passed", "detail": "invoices", "origin": "gateway.toml:54", "us": 1.2},
            {"name": "scope", "outcome": "failed", "detail": "needs invoices:write, has invoices:read",
                "origin": "gateway.toml:61", "us": 0.4},
            {"name": "limits", "outcome": "not_reached", "detail": "not reached", "us": 0.0}
        ],
        "route": "invoices", "key": {"id": "key_9f3KtWq2Zc", "name": "billing-prod"}, "cost": 1, "counters": [],
        "required_scopes": ["invoices:write"], "observed": null, "retry_after_s": null,
        "fix": ["argus key edit billing-prod --add-scope invoices:write"]
    })
}

/// A verification.
pub fn verification() -> Value {
    json!({
        "object": "verification", "valid": true, "code": "ok", "status": 200, "detail": null,
        "key": {"id": "key_9f3KtWq2Zc", "name": "billing-prod", "owner": "own_9f3KtWq2Zc", "external_id": "cust-17",
            "environment": "live", "scopes": ["invoices:read"], "roles": [], "plan": "pro", "meta": {},
            "expires_at": "2026-12-20T13:33:20Z"},
        "route": "invoices", "cost": 1,
        "counters": [{"name": "minute", "kind": "rate", "limit": "3000/min", "units": 3000, "used": 13,
            "remaining": 2987, "resets_at": "2026-09-21T13:34:00Z"}],
        "required_scopes": [], "observed": null, "retry_after_s": null
    })
}

/// A problem.
pub fn problem() -> Value {
    json!({
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "code": "invalid_request",
        "detail": "there is no role `biling`", "request_id": "01990f6e-5b1a-7c3e-9a77-3d1d2a6f0c55",
        "errors": [{"pointer": "/roles/0", "message": "there is no role `biling`", "hint": "did you mean `billing`?"}]
    })
}

/// A configuration that is not taken.
pub fn config_invalid() -> Value {
    json!({
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "code": "config_invalid",
        "detail": "The configuration is wrong, so nothing was changed. `rendered` says what is wrong and where.",
        "request_id": "01990f6e-5b1a-7c3e-9a77-3d1d2a6f0c55", "rendered": "error: unknown field `upsteam` …",
        "problems": [{"file": "gateway.toml", "line": 12, "column": 1, "message": "unknown field `upsteam`"}]
    })
}
