//! Which Service gets which address, pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

/// The addresses that can be given out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub first: Ipv4Addr,
    /// Included.
    pub last: Ipv4Addr,
}

/// What becomes of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Assigned(Ipv4Addr),
    Refused(Refusal),
    /// No LoadBalancer, or none any more.
    Released,
}

/// Why a Service gets no address; its text is the note of an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAnAddress { requested: String },
    OutsidePool { requested: Ipv4Addr, pool: String },
    Taken { requested: Ipv4Addr, by: String },
    Exhausted { pool: String },
}

impl Pool {
    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from)
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

impl Decision {
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Assigned(address) => Some(*address),
            Self::Refused(_) | Self::Released => None,
        }
    }
}

impl Refusal {
    /// The Event's reason.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotAnAddress { .. } => "AddressInvalid",
            Self::OutsidePool { .. } => "AddressOutsidePool",
            Self::Taken { .. } => "AddressTaken",
            Self::Exhausted { .. } => "PoolExhausted",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAddress { requested } => {
                write!(
                    f,
                    "spec.loadBalancerIP {requested:?} must be an IPv4 address; correct it or leave it out"
                )
            }
            Self::OutsidePool { requested, pool } => {
                write!(
                    f,
                    "spec.loadBalancerIP {requested} must be of this site's pool, {pool}"
                )
            }
            Self::Taken { requested, by } => {
                write!(
                    f,
                    "spec.loadBalancerIP {requested} is Service {by}'s; ask for another or delete that Service"
                )
            }
            Self::Exhausted { pool } => write!(
                f,
                "no address of this site's pool, {pool}, is free; delete a Service"
            ),
        }
    }
}

/// The decision for every Service of type LoadBalancer, by uid.
///
/// Who has an address keeps it while that is what it asks for; then come those who ask for one, then the rest, the
/// oldest first.
pub(super) fn of(services: &[Arc<Service>], pool: Pool) -> BTreeMap<String, Decision> {
    let mut candidates: Vec<&Service> = services.iter().map(Arc::as_ref).filter(|s| wants(s)).collect();
    candidates.sort_by_cached_key(|service| {
        let keeps = kept(service, pool).is_some();
        (
            Reverse(keeps),
            Reverse(requested(service).is_some()),
            service.creation_timestamp(),
            service.uid(),
        )
    });
    let mut holders: BTreeMap<Ipv4Addr, String> = BTreeMap::new();
    let mut plan = BTreeMap::new();
    for service in candidates {
        let decision = decide(service, pool, &holders);
        if let Decision::Assigned(address) = decision {
            let name = format!(
                "{}/{}",
                service.namespace().unwrap_or_default(),
                service.name_any()
            );
            holders.insert(address, name);
        }
        plan.insert(service.uid().unwrap_or_default(), decision);
    }
    plan
}

fn decide(service: &Service, pool: Pool, holders: &BTreeMap<Ipv4Addr, String>) -> Decision {
    let Some(requested) = requested(service) else {
        let kept = kept(service, pool).filter(|address| !holders.contains_key(address));
        let free = || pool.addresses().find(|address| !holders.contains_key(address));
        return match kept.or_else(free) {
            Some(address) => Decision::Assigned(address),
            None => Decision::Refused(Refusal::Exhausted {
                pool: pool.to_string(),
            }),
        };
    };
    let Ok(requested) = requested.parse() else {
        return Decision::Refused(Refusal::NotAnAddress {
            requested: requested.into(),
        });
    };
    if !pool.contains(requested) {
        return Decision::Refused(Refusal::OutsidePool {
            requested,
            pool: pool.to_string(),
        });
    }
    match holders.get(&requested) {
        Some(by) => Decision::Refused(Refusal::Taken {
            requested,
            by: by.clone(),
        }),
        None => Decision::Assigned(requested),
    }
}

/// The address in the Service's status.
pub(super) fn current(service: &Service) -> Option<Ipv4Addr> {
    let balancer = service.status.as_ref()?.load_balancer.as_ref()?;
    balancer.ingress.as_ref()?.first()?.ip.as_ref()?.parse().ok()
}

/// Whether the status names an address of the pool, so that this controller must have written it.
pub(super) fn ours(service: &Service, pool: Pool) -> bool {
    current(service).is_some_and(|address| pool.contains(address))
}

/// The current address, when it is still what the Service may have.
fn kept(service: &Service, pool: Pool) -> Option<Ipv4Addr> {
    let address = current(service).filter(|address| pool.contains(*address))?;
    requested(service)
        .is_none_or(|ip| ip == address.to_string())
        .then_some(address)
}

/// A Service with a class is another controller's.
fn wants(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    let balanced =
        spec.is_some_and(|s| s.type_.as_deref() == Some("LoadBalancer") && s.load_balancer_class.is_none());
    balanced && service.metadata.deletion_timestamp.is_none()
}

fn requested(service: &Service) -> Option<&str> {
    service
        .spec
        .as_ref()?
        .load_balancer_ip
        .as_deref()
        .filter(|ip| !ip.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const POOL: Pool = Pool {
        first: Ipv4Addr::new(198, 19, 0, 100),
        last: Ipv4Addr::new(198, 19, 0, 102),
    };

    /// `age`: smaller is older.
    fn service(name: &str, age: u8, request: Option<&str>, has: Option<&str>) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "n", "uid": name, "creationTimestamp": format!("2026-01-01T00:00:{age:02}Z")},
            "spec": {"type": "LoadBalancer", "loadBalancerIP": request},
            "status": {"loadBalancer": {"ingress": has.map(|ip| vec![json!({"ip": ip})])}},
        })
    }

    fn planned(services: Vec<Value>) -> BTreeMap<String, Decision> {
        let services: Vec<_> = services
            .into_iter()
            .map(|s| Arc::new(serde_json::from_value(s).unwrap()))
            .collect();
        of(&services, POOL)
    }

    fn assigned(last: u8) -> Decision {
        Decision::Assigned(Ipv4Addr::new(198, 19, 0, last))
    }

    #[test]
    fn a_service_gets_the_first_free_address_oldest_first() {
        let plan = planned(vec![service("b", 2, None, None), service("a", 1, None, None)]);
        assert_eq!(plan["a"], assigned(100));
        assert_eq!(plan["b"], assigned(101));
    }

    #[test]
    fn an_address_once_given_stays_when_older_services_come_up() {
        let plan = planned(vec![
            service("old", 1, None, None),
            service("new", 9, None, Some("198.19.0.100")),
        ]);
        assert_eq!(plan["new"], assigned(100));
        assert_eq!(plan["old"], assigned(101));
    }

    #[test]
    fn a_requested_address_is_given_before_an_unnamed_wish_takes_it() {
        let plan = planned(vec![
            service("any", 1, None, None),
            service("one", 9, Some("198.19.0.100"), None),
        ]);
        assert_eq!(plan["one"], assigned(100));
        assert_eq!(plan["any"], assigned(101));
    }

    #[test]
    fn a_changed_request_moves_the_service() {
        let plan = planned(vec![service("a", 1, Some("198.19.0.102"), Some("198.19.0.100"))]);
        assert_eq!(plan["a"], assigned(102));
    }

    #[test]
    fn refusals_name_the_field_the_value_the_rule_and_the_remedy() {
        let plan = planned(vec![
            service("holder", 1, Some("198.19.0.101"), None),
            service("taken", 2, Some("198.19.0.101"), None),
            service("outside", 3, Some("198.18.1.1"), None),
            service("text", 4, Some("mail"), None),
        ]);
        for (name, reason, words) in [
            ("taken", "AddressTaken", "198.19.0.101 is Service n/holder's"),
            ("outside", "AddressOutsidePool", "198.19.0.100 to 198.19.0.102"),
            ("text", "AddressInvalid", "\"mail\" must be an IPv4 address"),
        ] {
            let Decision::Refused(refusal) = &plan[name] else {
                panic!("{name}: {:?}", plan[name])
            };
            assert_eq!(refusal.reason(), reason);
            assert!(refusal.to_string().contains(words), "{refusal}");
            assert!(refusal.to_string().contains("spec.loadBalancerIP"), "{refusal}");
        }
    }

    #[test]
    fn an_empty_pool_refuses_the_youngest() {
        let plan = planned(
            (1..=4)
                .map(|n| service(&format!("s{n}"), n, None, None))
                .collect(),
        );
        assert_eq!(plan["s3"], assigned(102));
        assert!(matches!(plan["s4"], Decision::Refused(Refusal::Exhausted { .. })));
    }

    #[test]
    fn services_of_another_type_class_or_on_their_way_out_get_nothing() {
        let mut cluster_ip = service("a", 1, None, Some("198.19.0.100"));
        cluster_ip["spec"]["type"] = "ClusterIP".into();
        let mut other_class = service("b", 1, None, None);
        other_class["spec"]["loadBalancerClass"] = "example.com/other".into();
        let mut going = service("c", 1, None, Some("198.19.0.101"));
        going["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z".into();
        assert_eq!(planned(vec![cluster_ip, other_class, going]), BTreeMap::new());
    }
}
