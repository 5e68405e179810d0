//! Which engine a store runs: pure.
//!
//! A version of the engine is the tag of its image: it names the guard and Cyrus as they were built together, and what runs has it
//! too. So nobody has to be told anything beside the references.

use std::{cmp::Ordering, fmt};

use govuc_api::{WithheldEngine, conditions::reasons};
use k8s_openapi::api::apps::v1::StatefulSet;

use super::desired::stateful_set::CONTAINER;
use crate::conditions::Word;

/// Of a reference without a tag.
const DEFAULT_TAG: &str = "latest";

/// What an image is called, as in `spec.version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

/// An image and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    pub version: Version,
    pub image: String,
}

/// The engines that the installation names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines {
    /// What stores run for which no other is asked.
    own: Engine,
    /// What stores may be pinned to beside.
    others: Vec<Engine>,
}

/// What a store is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub image: String,
    /// What it does not get, and why.
    pub withheld: Option<Withheld>,
}

/// An engine that a store does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    version: Version,
    /// One of the reasons of the condition `UpgradePending`.
    reason: &'static str,
    /// For people.
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "--engine (GOVUC_ENGINES): images {one} and {other} of the engine are both version {version}, and a version names one image: \
         leave one of them out, or give it another tag"
    )]
    Twice {
        version: Version,
        one: String,
        other: String,
    },
}

/// A store that does not exist can't be made of a version that nobody knows the image of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.version is {version}, of which this operator has no image; it has {known}. {REMEDY}")]
pub struct Unknown {
    version: Version,
    known: String,
}

const REMEDY: &str =
    "Remedy: set spec.version to one of these, remove it, or name the image with govuc manifests --engine";

impl Version {
    /// The tag of a reference; without one its digest.
    pub fn of_image(reference: &str) -> Self {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        // A colon before the last slash is that of a registry's port.
        let (_, last) = name.rsplit_once('/').unwrap_or(("", name));
        Self(match (last.split_once(':'), digest) {
            (Some((_, tag)), _) => tag.to_owned(),
            // As a tag could be written.
            (None, Some(digest)) => digest.replace(':', "-"),
            (None, None) => DEFAULT_TAG.to_owned(),
        })
    }

    /// Cyrus' own version, at least two numbers, if the version begins with that.
    fn cyrus(&self) -> Option<Vec<u64>> {
        let end = self.0.find(|c: char| !c.is_ascii_digit() && c != '.');
        let numbers = self.0[..end.unwrap_or(self.0.len())].split('.');
        let numbers: Vec<u64> = numbers.map(|number| number.parse().ok()).collect::<Option<_>>()?;
        (numbers.len() >= 2).then_some(numbers)
    }

    /// How the Cyrus of both compares; not known if either does not tell.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(self.cyrus()?.cmp(&other.cyrus()?))
    }

    /// Whether its Cyrus is known to be of a series, as in 3.10, before another's.
    fn is_of_older_series(&self, other: &Self) -> bool {
        let series = |version: &Self| version.cyrus().map(|numbers| [numbers[0], numbers[1]]);
        matches!((series(self), series(other)), (Some(own), Some(other)) if own < other)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Engine {
    fn of(image: &str) -> Self {
        Self {
            version: Version::of_image(image),
            image: image.to_owned(),
        }
    }

    /// It goes on instead of another.
    fn kept(&self, instead: &Version, reason: &'static str, message: String) -> Chosen {
        Chosen {
            image: self.image.clone(),
            withheld: Some(Withheld {
                version: instead.clone(),
                reason,
                message,
            }),
        }
    }
}

impl Engines {
    /// `own` is the operator's, `others` are those that stores may be pinned to beside.
    ///
    /// # Errors
    /// Two different images have one version.
    pub fn of(own: &str, others: &[String]) -> Result<Self, Error> {
        let own = Engine::of(own);
        let mut engines = Self {
            own,
            others: Vec::new(),
        };
        for image in others {
            let engine = Engine::of(image);
            match engines.find(&engine.version) {
                None => engines.others.push(engine),
                Some(known) if known == &engine => {}
                Some(known) => {
                    return Err(Error::Twice {
                        one: known.image.clone(),
                        other: engine.image,
                        version: engine.version,
                    });
                }
            }
        }
        Ok(engines)
    }

    /// What stores may be pinned to beside the own one.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(|engine| engine.image.as_str())
    }

    fn find(&self, version: &Version) -> Option<&Engine> {
        [&self.own]
            .into_iter()
            .chain(&self.others)
            .find(|engine| engine.version == *version)
    }

    /// The versions that there are images of, for people.
    fn known(&self, running: Option<&Engine>) -> String {
        let mut known = vec![self.own.version.to_string()];
        let more = self.others.iter().chain(running);
        for version in more.map(|engine| engine.version.to_string()) {
            if !known.contains(&version) {
                known.push(version);
            }
        }
        known.join(", ")
    }

    /// What a store is to run whose spec pins `pinned`, and that runs the image `running`, if it is there.
    ///
    /// # Errors
    /// It is not there, and is pinned to what there is no image of.
    pub fn choose(&self, pinned: Option<&str>, running: Option<&str>) -> Result<Chosen, Unknown> {
        let running = running.map(Engine::of);
        let pinned = pinned.map(|version| Version(version.to_owned()));
        let wanted = match &pinned {
            None => &self.own,
            Some(version) => {
                let running_one = running.as_ref().filter(|running| running.version == *version);
                let Some(found) = self.find(version).or(running_one) else {
                    let unknown = Unknown {
                        version: version.clone(),
                        known: self.known(running.as_ref()),
                    };
                    let Some(running) = running else {
                        return Err(unknown);
                    };
                    return Ok(running.kept(version, reasons::UNKNOWN_VERSION, unknown.to_string()));
                };
                found
            }
        };
        if let Some(running) = &running
            && wanted.version.is_of_older_series(&running.version)
        {
            let message = older(&wanted.version, &running.version, pinned.is_some());
            return Ok(running.kept(&wanted.version, reasons::OLDER_VERSION, message));
        }
        Ok(Chosen {
            image: wanted.image.clone(),
            withheld: pinned.and_then(|pinned| self.withheld_by(&pinned)),
        })
    }

    /// The operator's engine, if a pin keeps a store from it.
    fn withheld_by(&self, pinned: &Version) -> Option<Withheld> {
        let own = &self.own.version;
        if own == pinned || own.compare(pinned) == Some(Ordering::Less) {
            return None;
        }
        Some(Withheld {
            version: own.clone(),
            reason: reasons::PINNED,
            message: format!(
                "spec.version keeps this store at {pinned}, and this operator's engine is {own}. Remedy: remove spec.version, or set \
                 it to {own}"
            ),
        })
    }
}

impl Withheld {
    /// What the condition `UpgradePending` says beside what waits for a window.
    pub fn word(&self, waits: Option<Word>) -> Word {
        match waits {
            Some(word) => Word {
                message: format!("{}. {}", word.message, self.message),
                ..word
            },
            None => Word::yes(self.reason, &self.message),
        }
    }

    pub fn status(&self) -> WithheldEngine {
        WithheldEngine {
            version: self.version.to_string(),
            reason: self.reason.to_owned(),
            message: self.message.clone(),
        }
    }
}

fn older(wanted: &Version, running: &Version, pinned: bool) -> String {
    let (who, remedy) = if pinned {
        (
            "spec.version",
            format!("set spec.version to {running} or a later version, or remove it"),
        )
    } else {
        (
            "this operator's engine",
            "run an operator whose engine is not of an older series".to_owned(),
        )
    };
    format!(
        "{who} is {wanted}, and this site's copy runs {running}: an older series of Cyrus may not read what a newer one has written, \
         so nothing is changed. Remedy: {remedy}"
    )
}

/// The image that a store's pod is made of.
pub fn image(running: &StatefulSet) -> Option<&str> {
    let template = &running.spec.as_ref()?.template;
    let mut containers = template.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .find(|container| container.name == CONTAINER)?
        .image
        .as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const OWN: &str = "registry:5000/cyrus:3.10.2-1";
    const LISTED: &str = "registry:5000/cyrus:3.10.1-4";
    const OLD: &str = "registry:5000/cyrus:3.10.0-2";

    fn engines() -> Engines {
        Engines::of(OWN, &[LISTED.to_owned()]).unwrap()
    }

    #[rstest]
    #[case("localhost/govuc/cyrus:dev", "dev")]
    #[case("registry:5000/cyrus", "latest")]
    #[case("registry:5000/cyrus:3.10.2-1", "3.10.2-1")]
    #[case("registry/cyrus:3.10.2-1@sha256:0af1", "3.10.2-1")]
    #[case("registry:5000/cyrus@sha256:0af1", "sha256-0af1")]
    #[case("cyrus", "latest")]
    fn the_version_of_an_image_is_its_tag(#[case] image: &str, #[case] version: &str) {
        assert_eq!(Version::of_image(image).to_string(), version);
    }

    /// Version that is withheld, and why.
    type Told = Option<(&'static str, &'static str)>;

    #[rstest]
    #[case::new(None, None, OWN, None)]
    #[case::an_upgrade(None, Some(OLD), OWN, None)]
    #[case::pinned_to_the_operators(Some("3.10.2-1"), Some(OLD), OWN, None)]
    #[case::pinned_to_what_runs(Some("3.10.0-2"), Some(OLD), OLD, Some(("3.10.2-1", reasons::PINNED)))]
    #[case::pinned_to_a_listed_one(Some("3.10.1-4"), Some(OLD), LISTED, Some(("3.10.2-1", reasons::PINNED)))]
    #[case::new_and_pinned(Some("3.10.1-4"), None, LISTED, Some(("3.10.2-1", reasons::PINNED)))]
    #[case::pinned_to_nothing(Some("3.11.0-1"), Some(OLD), OLD, Some(("3.11.0-1", reasons::UNKNOWN_VERSION)))]
    #[case::back_within_a_series(Some("3.10.1-4"), Some(OWN), LISTED, Some(("3.10.2-1", reasons::PINNED)))]
    #[case::pinned_to_what_is_newer(Some("3.12.0-1"), Some("r/cyrus:3.12.0-1"), "r/cyrus:3.12.0-1", None)]
    #[case::back_to_an_older_series(Some("3.10.1-4"), Some("r/cyrus:3.12.0-1"), "r/cyrus:3.12.0-1",
        Some(("3.10.1-4", reasons::OLDER_VERSION)))]
    #[case::an_older_operator(None, Some("r/cyrus:3.12.0-1"), "r/cyrus:3.12.0-1", Some(("3.10.2-1", reasons::OLDER_VERSION)))]
    #[case::a_tag_that_tells_nothing(None, Some("r/cyrus:9f3a"), OWN, None)]
    #[case::the_same_version_elsewhere(Some("3.10.2-1"), Some("old/cyrus:3.10.2-1"), OWN, None)]
    fn a_store_runs_what_it_is_pinned_to_or_the_operators(
        #[case] pinned: Option<&str>,
        #[case] running: Option<&str>,
        #[case] image: &str,
        #[case] withheld: Told,
    ) {
        let chosen = engines().choose(pinned, running).unwrap();
        assert_eq!(chosen.image, image);
        let told = chosen.withheld.as_ref();
        let told = told.map(|told| (told.version.0.as_str(), told.reason));
        assert_eq!(told, withheld);
        if let Some(withheld) = chosen.withheld {
            assert!(withheld.message.contains("Remedy: "), "{}", withheld.message);
            // A condition's message is no longer.
            assert!(withheld.message.len() <= 400, "{}", withheld.message);
        }
    }

    #[test]
    fn what_is_not_known_is_told_with_what_is() {
        let unknown = engines().choose(Some("3.11.0-1"), None).unwrap_err().to_string();
        assert!(
            unknown.starts_with(
                "spec.version is 3.11.0-1, of which this operator has no image; it has 3.10.2-1, 3.10.1-4. Remedy: "
            ),
            "{unknown}"
        );
        let kept = engines().choose(Some("3.11.0-1"), Some(OLD)).unwrap();
        let message = kept.withheld.unwrap().message;
        assert!(message.contains("3.10.2-1, 3.10.1-4, 3.10.0-2"), "{message}");
    }

    #[rstest]
    #[case("3.10.2-1", "3.10.10-1", Some(Ordering::Less))]
    #[case("3.10", "3.9.9", Some(Ordering::Greater))]
    #[case("3.10.2-1", "3.10.2-2", Some(Ordering::Equal))]
    #[case("3f", "3.10.2", None)]
    #[case("10", "3.10.2", None)]
    #[case("3..2", "3.10.2", None)]
    #[case("dev", "3.10.2", None)]
    fn versions_compare_by_the_numbers_of_cyrus(
        #[case] one: &str,
        #[case] other: &str,
        #[case] expected: Option<Ordering>,
    ) {
        assert_eq!(Version(one.into()).compare(&Version(other.into())), expected);
    }

    #[test]
    fn a_version_names_one_image() {
        let twice = Engines::of(OWN, &["mirror/cyrus:3.10.2-1".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            twice.contains(OWN) && twice.contains("mirror/cyrus:3.10.2-1"),
            "{twice}"
        );
        assert_eq!(Engines::of(OWN, &[OWN.to_owned()]).unwrap().others().count(), 0);
    }
}
