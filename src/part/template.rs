//! Configuration files with `{{placeholders}}`, filled in strictly.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the template asks for {{{{{0}}}}}, which has no value")]
    Unknown(String),
    #[error("{0} has a value, but the template does not ask for it")]
    Unused(String),
    #[error("a placeholder is opened and not closed: {0:?}")]
    Open(String),
}

/// Replaces each `{{name}}` by its value. A name without value and a value without use are errors: either is a
/// misspelling that would otherwise show as an engine that does not start, or starts and is open. Lines that begin with
/// `#` are comments to every engine here and are left out: another word in one must not restart an engine.
pub fn render(template: &str, values: &BTreeMap<&str, String>) -> Result<String, Error> {
    let template: String = template
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect();
    let mut out = String::with_capacity(template.len());
    let mut unused: BTreeSet<&str> = values.keys().copied().collect();
    let mut rest = template.as_str();
    while let Some((text, tail)) = rest.split_once("{{") {
        out.push_str(text);
        let (name, tail) = tail
            .split_once("}}")
            .filter(|(name, _)| !name.contains('\n'))
            .ok_or_else(|| Error::Open(tail.chars().take(20).collect()))?;
        let value = values.get(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
        unused.remove(name);
        out.push_str(value);
        rest = tail;
    }
    out.push_str(rest);
    match unused.first() {
        Some(name) => Err(Error::Unused((*name).to_owned())),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn values() -> BTreeMap<&'static str, String> {
        BTreeMap::from([("site", "pdsa1".to_owned())])
    }

    #[rstest]
    #[case("on {{site}}.", Ok("on pdsa1.".into()))]
    #[case("{{site}}{{site}}", Ok("pdsa1pdsa1".into()))]
    #[case("on {{ site }}", Err(Error::Unknown(" site ".into())))]
    #[case("{{site}} {{domain}}", Err(Error::Unknown("domain".into())))]
    #[case("# of {{any}} site\n{{site}}", Ok("pdsa1".into()))]
    #[case("nothing", Err(Error::Unused("site".into())))]
    #[case("{{site}} {{open", Err(Error::Open("open".into())))]
    #[case("{{site}} {{a\nb}}", Err(Error::Open("a\nb}}".into())))]
    fn every_placeholder_has_a_value_and_every_value_a_placeholder(
        #[case] template: &str,
        #[case] want: Result<String, Error>,
    ) {
        assert_eq!(render(template, &values()), want);
    }

    #[test]
    fn a_value_is_not_a_template() {
        let values = BTreeMap::from([("site", "{{site}}".to_owned())]);
        assert_eq!(render("{{site}}", &values), Ok("{{site}}".into()));
    }
}
