//! The nft table of the bridge between the sites: pure, from faults to text.

use super::Faults;
use crate::network::{Line, Site};

/// Replaces the table of faults, whatever was in it.
pub fn table(faults: &Faults) -> String {
    let cut = faults
        .cut
        .iter()
        .filter(|line| matches!(line, Line::Between(..)))
        .flat_map(|line| each_way(*line, ""));
    let one_way = faults.one_way.iter().map(|(from, to)| between(*from, *to, ""));
    let loss = faults.loss.iter().flat_map(|(line, percent)| match percent {
        // nft refuses a condition that always holds.
        100 => each_way(*line, ""),
        _ => each_way(*line, &format!("numgen random mod 100 < {percent} ")),
    });
    let rules: String = cut
        .chain(one_way)
        .chain(loss)
        .map(|rule| format!("    {rule}drop\n"))
        .collect();
    format!(
        "table bridge faults {{}}\ndelete table bridge faults\ntable bridge faults {{\n  chain passing {{\n    \
         type filter hook forward priority 0; policy accept;\n{rules}  }}\n}}\n"
    )
}

/// The condition for both directions of a line.
fn each_way(line: Line, condition: &str) -> [String; 2] {
    match line {
        // By its own port alone: a delayed frame passes two bridges and would be lost twice as often.
        Line::Site(site) => {
            ["iifname", "oifname"].map(|side| format!("{side} \"{}\" {condition}", site.port()))
        }
        Line::Between(a, b) => [between(a, b, condition), between(b, a, condition)],
    }
}

/// The condition for one direction. While a line is delayed its frames come by another port.
fn between(from: Site, to: Site, condition: &str) -> String {
    let port = |site: Site| format!("{{ \"{}\", \"{}\" }}", site.port(), site.relayed_port());
    format!("iifname {} oifname {} {condition}", port(from), port(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(edit: impl FnOnce(&mut Faults)) -> Vec<String> {
        let mut faults = Faults::default();
        edit(&mut faults);
        table(&faults)
            .lines()
            .filter(|line| line.ends_with("drop"))
            .map(|line| line.trim().to_owned())
            .collect()
    }

    #[test]
    fn no_fault_is_no_rule() {
        assert!(rules(|_| {}).is_empty());
    }

    #[test]
    fn a_cut_between_two_sites_leaves_the_third_alone() {
        let rules = rules(|faults| {
            faults.cut.insert("pdsa1-witness".parse().unwrap());
        });
        assert_eq!(rules[0], r#"iifname { "w1", "r1" } oifname { "w3", "r3" } drop"#);
        assert_eq!(rules[1], r#"iifname { "w3", "r3" } oifname { "w1", "r1" } drop"#);
        assert_eq!(rules.len(), 2);
    }

    #[test]
    fn one_direction_is_cut_alone() {
        let rules = rules(|faults| faults.cut_one_way(Site::Pdsa2, Site::Pdsa1));
        assert_eq!(rules, [r#"iifname { "w2", "r2" } oifname { "w1", "r1" } drop"#]);
    }

    #[test]
    fn a_site_is_cut_by_its_port_and_not_by_a_rule() {
        assert!(rules(|faults| faults.cut("pdsa1".parse().unwrap())).is_empty());
    }

    #[test]
    fn loss_counts_in_each_direction() {
        let rules = rules(|faults| faults.lose("pdsa2".parse().unwrap(), 30));
        assert_eq!(rules[0], r#"iifname "w2" numgen random mod 100 < 30 drop"#);
        assert_eq!(rules[1], r#"oifname "w2" numgen random mod 100 < 30 drop"#);
    }

    #[test]
    fn loss_of_everything_needs_no_chance() {
        let lost = rules(|faults| faults.lose("pdsa2".parse().unwrap(), 100));
        assert_eq!(lost[0], r#"iifname "w2" drop"#);
    }
}
