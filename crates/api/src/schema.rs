//! Schemas of texts with a form of their own. As CEL rather than `pattern`, so that a refusal says what would do.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A DNS name in lower case with at least two labels.
pub(crate) fn domain(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 190,
        "x-kubernetes-validations": [
            {
                "rule": r"self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$')",
                "messageExpression": r#"'"' + self + '" is not a domain: write it in lower case with its dots, for example kkr.gov.my'"#,
            },
            {
                "rule": "!self.endsWith('govuc.internal')",
                "messageExpression": r#"'"' + self + '" is reserved for the service itself: choose a domain that the agency owns'"#,
            },
        ],
    })
}

/// A mail address in lower case. A `+` would collide with sub-addressing.
pub(crate) fn address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 254,
        "x-kubernetes-validations": [{
            "rule": r"self.matches('^[a-z0-9]([a-z0-9_-]|\\.[a-z0-9_-]){0,62}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$')",
            "messageExpression": r#"'"' + self + '" is not an address: write it in lower case with letters, digits, dot, - and _, for example ali.ahmad@kkr.gov.my'"#,
        }],
    })
}

/// Further addresses of a mailbox.
pub(crate) fn aliases(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 20,
        "items": address(generator),
    })
}

/// A size of the form Kubernetes uses, above nought.
pub(crate) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 20,
        "x-kubernetes-validations": [{
            "rule": "isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",
            "messageExpression": r#"'"' + string(self) + '" is not a size: write for example 2Gi'"#,
        }],
    })
}

/// Year, month and day, and that the month has that day.
const DAY: &str = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
const IN_ITS_MONTH: &str = "int(self.substring(8, 10)) <= (self.substring(5, 7) in ['04', '06', '09', '11'] ? 30 : self.substring(5, 7) != '02' ? 31 : \
    int(self.substring(0, 4)) % 4 == 0 && (int(self.substring(0, 4)) % 100 != 0 || int(self.substring(0, 4)) % 400 == 0) ? 29 : 28)";

/// A day that is in the calendar. Not `format: date`, with which rules see a timestamp and messages can't show it.
pub(crate) fn date(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 10,
        "x-kubernetes-validations": [{
            "rule": format!("self.matches('^{DAY}$') && {IN_ITS_MONTH}"),
            "messageExpression": r#"'"' + self + '" is not a day: write year, month and day, for example 2027-01-31'"#,
        }],
    })
}

/// A moment to the second, as RFC 3339 has it. Not `format: date-time`, for the reason that [`date`] has.
pub(crate) fn instant(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 25,
        "x-kubernetes-validations": [{
            "rule": format!("self.matches('^{DAY}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && {IN_ITS_MONTH}"),
            "messageExpression": r#"'"' + self + '" is not a moment: write day, time and zone, for example 2027-01-31T01:00:00+08:00'"#,
        }],
    })
}

/// An IPv4 or IPv6 address.
pub(crate) fn ip_address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 39,
        "x-kubernetes-validations": [{
            "rule": "isIP(self)",
            "messageExpression": r#"'"' + self + '" is not an IP address: write for example 198.51.100.7 or 2001:db8::7'"#,
        }],
    })
}

/// Host and port. The host is a DNS name in lower case or an IPv4 address.
pub(crate) fn host_port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 259,
        "x-kubernetes-validations": [{
            "rule": r"self.matches('^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?:[1-9][0-9]{0,4}$') && int(self.split(':')[1]) <= 65535",
            "messageExpression": r#"'"' + self + '" is not a host and port: write for example gw.pdsa1.gov.my:8443'"#,
        }],
    })
}

/// An id of a member of etcd.
pub(crate) fn member_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 16,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[0-9a-f]+$')",
            "messageExpression": r#"'"' + self + '" is not the id of a member: write it as condition RolesReady has it, for example 8e9e05c52164694d'"#,
        }],
    })
}

/// A name as a part of DNS names: letters, digits and `-`.
pub(crate) fn label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 20,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",
            "messageExpression": r#"'"' + self + '" is not a site name: write lower-case letters, digits and -, beginning with a letter, for example pdsa1'"#,
        }],
    })
}

/// What a maintenance window is called.
pub(crate) fn window(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 40,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",
            "messageExpression": r#"'"' + self + '" names no window: write lower-case letters, digits and -, beginning with a letter, for example ahad-malam'"#,
        }],
    })
}

/// The part of RFC 5545's recurrence rules that windows can follow. What is left out has no clear meaning for every month
/// (BYMONTHDAY=31, the fifth Sunday), or makes windows that nobody could announce (FREQ=HOURLY).
pub(crate) fn recurrence(_: &mut SchemaGenerator) -> Schema {
    const WEEKDAY: &str = "(MO|TU|WE|TH|FR|SA|SU)";
    const NTH: &str = "([1-4]|-1)?(MO|TU|WE|TH|FR|SA|SU)";
    const INTERVAL: &str = "(;INTERVAL=([1-9]|1[0-2]))?";
    let rule = format!(
        "self.matches('^FREQ=(WEEKLY{INTERVAL};BYDAY={WEEKDAY}(,{WEEKDAY}){{0,6}}|MONTHLY{INTERVAL};BYDAY={NTH}(,{NTH}){{0,6}})(;UNTIL=[0-9]{{8}}T[0-9]{{6}}Z)?$')"
    );
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 120,
        "x-kubernetes-validations": [{
            "rule": rule,
            "messageExpression": r#"'"' + self + '" is not a recurrence that windows can have: write FREQ=WEEKLY or FREQ=MONTHLY, then INTERVAL=2 to 12 if wanted, BYDAY, and UNTIL in UTC if wanted, in this order; for example FREQ=WEEKLY;BYDAY=SU, or FREQ=MONTHLY;BYDAY=1SU;UNTIL=20271231T160000Z'"#,
        }],
    })
}

/// The name of an operation.
pub(crate) fn operation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
            "messageExpression": r#"'"' + self + '" names no operation: write up to 64 lower-case letters, digits and -, for example sw-20270131-7f3a'"#,
        }],
    })
}

/// A version of the mail engine: what a tag of an image may be.
pub(crate) fn engine_version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')",
            "messageExpression": r#"'"' + self + '" is not a version of the engine: write the tag of its image, for example 3.10.2-1'"#,
        }],
    })
}

/// A span of time as Go writes it, from a second to a day.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 20,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([0-9]{1,6}[hms])+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",
            "messageExpression": r#"'"' + self + '" is not a span from 1s to 24h: write for example 15m'"#,
        }],
    })
}

/// A line for people: something to read, without control characters.
pub(crate) fn line(_: &mut SchemaGenerator) -> Schema {
    text(200, "^[^\\\\x00-\\\\x1f\\\\x7f]*$")
}

/// Several lines for people.
pub(crate) fn paragraph(_: &mut SchemaGenerator) -> Schema {
    text(4000, "^[^\\\\x00-\\\\x08\\\\x0b-\\\\x1f\\\\x7f]*$")
}

fn text(limit: u32, allowed: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": limit,
        "x-kubernetes-validations": [{
            "rule": format!("self.trim() != '' && self.matches('{allowed}')"),
            "message": "the text is blank or has control characters: write words",
        }],
    })
}

/// A UUID as the operator mints it.
pub(crate) fn account_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 36,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
            "messageExpression": r#"'"' + self + '" is not an account id: copy it from the message of the Ready condition, for example 3f0c7d1e-5a44-4f7e-9d0b-1c2d3e4f5a6b'"#,
        }],
    })
}

/// The status of an object that no operator has seen: without one kstatus, and so Flux, takes it for ready, and with the conditions
/// of one operator alone too.
pub(crate) fn unseen() -> serde_json::Value {
    serde_json::json!({"observedGeneration": -1})
}
