//! Single values as they are written: durations, sizes, shares, addresses, and fields that take one or several.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What a duration is, in messages.
pub(super) const DURATION: &str = "a duration such as \"30s\"";
/// What a size is, in messages.
pub(super) const SIZE: &str = "a size such as \"64KiB\"";
/// What a share is, in messages.
pub(super) const SHARE: &str = "a share such as \"10%\"";
/// What an address is, in messages.
const ADDRESS: &str = "an address such as \":8080\" or \"127.0.0.1:8080\"";

/// Longest duration: a hundred years. Deadlines made from it stay inside every clock.
const DURATION_SECONDS_MAX: u64 = 100 * 366 * 86_400;

/// What is wrong with a single value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a duration.
    #[error("`{0}` is not a duration: expected for example `250ms`, `30s`, `1h30m` or `90d`")]
    Duration(String),
    /// Not a size.
    #[error("`{0}` is not a size: expected for example `512B`, `64KiB` or `10MB`")]
    Size(String),
    /// Not a share.
    #[error("`{0}` is not a share: expected `0%` to `100%`")]
    Share(String),
    /// Not an address.
    #[error("`{0}` is not an address: expected for example `:8080`, `127.0.0.1:8080` or `[::1]:8080`")]
    Address(String),
}

fn short(s: &str) -> String {
    s.chars().take(60).collect()
}

/// Reads `250ms`, `30s`, `1h30m`, `90d`: numbers, each with a unit from `ns` to `d`.
pub fn parse_duration(s: &str) -> Result<Duration, ValueError> {
    let wrong = || ValueError::Duration(short(s));
    let mut rest = s.trim();
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().position(|b| !b.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.bytes().position(|b| b.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_len);
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            "d" => 86_400 * 1_000_000_000,
            _ => return Err(wrong()),
        };
        let number: u128 = number.parse().map_err(|_| wrong())?;
        nanos = number.checked_mul(unit).and_then(|n| n.checked_add(nanos)).ok_or_else(wrong)?;
        rest = next;
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).ok().filter(|s| *s <= DURATION_SECONDS_MAX).ok_or_else(wrong)?;
    Ok(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap_or(0)))
}

/// Reads `64KiB`, `10MB`, `512B`.
pub fn parse_size(s: &str) -> Result<u64, ValueError> {
    let wrong = || ValueError::Size(short(s));
    let text = s.trim();
    let digits = text.bytes().position(|b| !b.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)
}

/// Reads `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. Without a host every address of the machine is
/// meant: one socket for both families where the machine has IPv6.
pub fn parse_address(s: &str) -> Result<SocketAddr, ValueError> {
    let wrong = || ValueError::Address(short(s));
    if let Ok(address) = s.parse::<SocketAddr>() {
        return Ok(address);
    }
    let (host, port) = s.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let host: IpAddr = match host {
        "" | "*" if has_ipv6() => Ipv6Addr::UNSPECIFIED.into(),
        "" | "*" => Ipv4Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => return Err(wrong()),
    };
    Ok(SocketAddr::new(host, port))
}

/// Whether the machine speaks IPv6 at all; Linux has this file exactly then.
fn has_ipv6() -> bool {
    !cfg!(target_os = "linux") || Path::new("/proc/net/if_inet6").exists()
}

/// A value with one way of being written, as text.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident($inner:ty), $kind:literal, $expected:expr, $parse:expr, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(super) struct $name(pub $inner);

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(s: &str) -> Result<Self, ValueError> {
                $parse(s).map($name)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_any(Text($expected, PhantomData))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $kind, "pattern": $pattern})
            }
        }
    };
}

/// Takes text alone and says what was expected.
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = ValueError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<T, E> {
        v.parse().map_err(E::custom)
    }
}

text_value!(
    /// A stretch of time.
    DurationText(Duration), "duration", DURATION, parse_duration, r"^\s*([0-9]+(ns|us|µs|ms|s|m|h|d))+\s*$|\$\{"
);
text_value!(
    /// A number of bytes.
    SizeText(u64), "size", SIZE, parse_size, r"^\s*[0-9]+ *(B|KB|kB|KiB|MB|MiB|GB|GiB)\s*$|\$\{"
);
text_value!(
    /// A share, 0 to 1.
    ShareText(f64), "share", SHARE, parse_share, r"^\s*[0-9.]+ *%\s*$|\$\{"
);
text_value!(
    /// Where to listen.
    AddressText(SocketAddr), "address", ADDRESS, parse_address, r":[0-9]+$|\$\{"
);
text_value!(
    /// Where to listen, or `off`.
    AddressOrOff(Option<SocketAddr>), "address", ADDRESS, |s: &str| or_word(s, "off", parse_address), r":[0-9]+$|^off$|\$\{"
);
text_value!(
    /// A stretch of time, or `never`.
    DurationOrNever(Option<Duration>), "duration", DURATION, |s: &str| or_word(s, "never", parse_duration),
    r"^\s*([0-9]+(ns|us|µs|ms|s|m|h|d))+\s*$|^never$|\$\{"
);
text_value!(
    /// A stretch of time, or `forever`.
    DurationOrForever(Option<Duration>), "duration", DURATION, |s: &str| or_word(s, "forever", parse_duration),
    r"^\s*([0-9]+(ns|us|µs|ms|s|m|h|d))+\s*$|^forever$|\$\{"
);
text_value!(
    /// A number of bytes, or `unlimited`.
    SizeOrUnlimited(Option<u64>), "size", SIZE, |s: &str| or_word(s, "unlimited", parse_size),
    r"^\s*[0-9]+ *(B|KB|kB|KiB|MB|MiB|GB|GiB)\s*$|^unlimited$|\$\{"
);

fn or_word<T>(s: &str, word: &str, parse: fn(&str) -> Result<T, ValueError>) -> Result<Option<T>, ValueError> {
    if s == word { Ok(None) } else { parse(s).map(Some) }
}

fn parse_share(s: &str) -> Result<f64, ValueError> {
    let wrong = || ValueError::Share(short(s));
    let number: f64 = s.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end().parse().map_err(|_| wrong())?;
    if (0.0..=100.0).contains(&number) { Ok(number / 100.0) } else { Err(wrong()) }
}

/// One value or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::model::condition::one_or_many(d).map(OneOrMany)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A value for all methods, or one by method: `{ GET = …, "POST,PUT" = … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SameOrEach<T> {
    Same(T),
    Each(Vec<(String, T)>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for SameOrEach<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = SameOrEach<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value, or a table with one for each method")
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<SameOrEach<T>, E> {
                T::deserialize(de::value::StrDeserializer::new(v)).map(SameOrEach::Same)
            }

            fn visit_u64<E: de::Error>(self, v: u64) -> Result<SameOrEach<T>, E> {
                T::deserialize(de::value::U64Deserializer::new(v)).map(SameOrEach::Same)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SameOrEach<T>, A::Error> {
                let mut each = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    each.push(entry);
                }
                Ok(SameOrEach::Each(each))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SameOrEach<T>, A::Error> {
                Err(de::Error::invalid_type(de::Unexpected::Seq, &self))
            }
        }

        d.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for SameOrEach<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("SameOrEach{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "object", "additionalProperties": one}]})
    }
}
