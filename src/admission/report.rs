//! The limits a request met, and how its answer tells them.

use std::sync::Arc;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{LimitState, Verdict};
use crate::model::clock::Now;
use crate::model::limit::LIMITS_MAX;
use crate::snapshot::RateLimitHeaders;
use crate::snapshot::{ActiveRoute, BoundLimit, Grant};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// Bytes of a usual item of `RateLimit`; longer ones cost another allocation.
const ITEM_BYTES: usize = 40;

/// The limits that were counted for a request, with what is left of them. Empty if none was asked.
#[derive(Debug)]
pub struct LimitReport {
    /// Where the limits stand: first the key's, then the route's, in the order of the verdict.
    grant: Option<Arc<Grant>>,
    route: Option<Arc<ActiveRoute>>,
    verdict: Verdict,
}

impl LimitReport {
    /// A report of no limits.
    pub fn empty() -> Self {
        LimitReport { grant: None, route: None, verdict: Verdict::unlimited() }
    }

    /// The verdict about the limits of `grant` and then of `route`.
    pub(super) fn new(grant: Option<Arc<Grant>>, route: Option<Arc<ActiveRoute>>, verdict: Verdict) -> Self {
        LimitReport { grant, route, verdict }
    }

    /// Every limit that was counted, with its state.
    pub fn iter(&self) -> impl Iterator<Item = (&BoundLimit, &LimitState)> {
        let of_key = self.grant.iter().flat_map(|a| &a.limits);
        let of_route = self.route.iter().flat_map(|r| &r.limits);
        of_key.chain(of_route).zip(self.verdict.states())
    }

    /// Whether no limit was counted.
    pub fn is_empty(&self) -> bool {
        self.verdict.states().is_empty()
    }

    /// The limit with the smallest share left; among equals the one that comes back last.
    pub fn tightest(&self) -> Option<(&BoundLimit, &LimitState)> {
        self.iter().min_by_key(|one| tightness(*one))
    }

    /// Adds the header fields of the families asked for. `t` and reset are rounded up, so that waiting is enough.
    ///
    /// Limits the upstream tells of itself stay: in lists ours stand beside them, and of the older fields, which can
    /// tell one limit only, the tighter one stays.
    pub fn headers(&self, families: RateLimitHeaders, now: Now, out: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        let mut met: [Option<Met<'_>>; LIMITS_MAX] = [None; LIMITS_MAX];
        for (slot, one) in met.iter_mut().zip(self.iter()) {
            *slot = Some((tightness(one), one));
        }
        let met = &mut met[..self.verdict.states().len()];
        met.sort_by_key(|one| one.map(|(tightness, _)| tightness));
        if families.ietf {
            for policy in [self.grant.as_ref().map(|a| &a.policy), self.route.as_ref().map(|r| &r.policy)] {
                if let Some(Some(policy)) = policy {
                    out.append(POLICY, policy.clone());
                }
            }
            if let Some(value) = ratelimit(met) {
                out.append(RATELIMIT, value);
            }
        }
        if families.legacy
            && let Some(Some((_, (bound, state)))) = met.first()
            && upstream_remaining(out).is_none_or(|theirs| state.remaining <= theirs)
        {
            let now_s = u64::try_from(now.wall.as_second()).unwrap_or(0);
            out.insert(LEGACY_LIMIT, HeaderValue::from(bound.limit.burst));
            out.insert(LEGACY_REMAINING, HeaderValue::from(state.remaining));
            out.insert(LEGACY_RESET, HeaderValue::from(now_s.saturating_add(seconds_up(state.reset_us))));
        }
    }
}

/// A limit that was counted, with how tight it is.
type Met<'a> = (Tightness, (&'a BoundLimit, &'a LimitState));

/// `"burst";r=37;t=1, "month";r=1482113;t=86400`, tightest first.
fn ratelimit(met: &[Option<Met<'_>>]) -> Option<HeaderValue> {
    // Written once, where it stays: the header takes the buffer over.
    let mut out = BytesMut::with_capacity(met.len() * ITEM_BYTES);
    let mut digits = itoa::Buffer::new();
    for (_, (bound, state)) in met.iter().flatten() {
        out.extend_from_slice(if out.is_empty() { b"\"" } else { b", \"" });
        out.extend_from_slice(bound.label.as_str().as_bytes());
        out.extend_from_slice(b"\";r=");
        out.extend_from_slice(digits.format(state.remaining).as_bytes());
        out.extend_from_slice(b";t=");
        out.extend_from_slice(digits.format(seconds_up(state.reset_us)).as_bytes());
    }
    HeaderValue::from_maybe_shared(out.freeze()).ok()
}

/// What is left of the one limit that the upstream tells in the older fields.
fn upstream_remaining(headers: &HeaderMap) -> Option<u64> {
    headers.get(LEGACY_REMAINING)?.to_str().ok()?.trim().parse().ok()
}

/// Smaller is tighter: one that refuses, then the share left in parts of 2^32, then the later return.
type Tightness = (bool, u64, std::cmp::Reverse<u64>);

fn tightness((bound, state): (&BoundLimit, &LimitState)) -> Tightness {
    let burst = bound.limit.burst.max(1);
    let share = match u32::try_from(state.remaining) {
        Ok(remaining) => (u64::from(remaining) << 32) / burst,
        // Rare, and several times as slow.
        Err(_) => u64::try_from((u128::from(state.remaining) << 32) / u128::from(burst)).unwrap_or(u64::MAX),
    };
    (!state.refused, share, std::cmp::Reverse(state.reset_us))
}

/// Microseconds as whole seconds, rounded up.
pub(super) fn seconds_up(us: u64) -> u64 {
    us.div_ceil(1_000_000)
}
