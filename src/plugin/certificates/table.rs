//! Certificates as people read them, in at most 100 columns where names leave room: pure.

use govuc_api::PendingRestart;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{super::hanging::hanging, row::Row};
use crate::maintenance::told;

const HEAD: [&str; 7] = [
    "CONTEXT",
    "PART",
    "SIGNED BY",
    "ENDS",
    "DAYS",
    "RENEWED",
    "PROBLEM",
];
/// What the lines below a row begin with.
const INDENT: &str = "  ";

/// For each certificate a row, and below it where it is kept and its names.
pub fn table(rows: &[Row]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned)];
    cells.extend(rows.iter().map(of_row));
    if rows.iter().all(|row| row.context.is_none()) {
        // Of the current context nothing is told that everybody knows.
        cells.iter_mut().for_each(|row| row[0].clear());
    }
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let width = |row: &[String; 7]| row[column].chars().count();
        cells.iter().map(width).max().unwrap_or_default()
    });
    let mut below = rows.iter();
    let mut lines = Vec::new();
    for (i, row) in cells.iter().enumerate() {
        lines.push(line(row, &widths));
        if i > 0 {
            lines.extend(below.next().into_iter().flat_map(details));
        }
    }
    lines.join("\n")
}

fn of_row(row: &Row) -> [String; 7] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let signed_by = row.signed_by.clone();
    [
        or_dash(row.context.clone()),
        row.part.clone(),
        or_dash(signed_by),
        or_dash(row.until.as_ref().map(day)),
        or_dash(row.days_left.map(|days| days.to_string())),
        row.renewal
            .as_ref()
            .map_or_else(|| if row.until.is_some() { "never" } else { "-" }.to_owned(), day),
        row.problem(),
    ]
}

fn line(row: &[String; 7], widths: &[usize; 7]) -> String {
    let shown = row
        .iter()
        .zip(widths)
        .enumerate()
        .filter(|(_, (_, width))| **width > 0);
    let cells: Vec<String> = shown
        .map(|(column, (cell, width))| match HEAD[column] {
            "DAYS" => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        })
        .collect();
    cells.join("  ").trim_end().to_owned()
}

fn details(row: &Row) -> Vec<String> {
    let head = format!("{INDENT}{} ", row.kind);
    let mut text = format!("{}/{}", row.namespace, row.name);
    if !row.names.is_empty() {
        text = format!("{text}: {}", row.names.join(", "));
    }
    let mut lines = hanging(&head, head.len(), &text);
    if let Some(restart) = &row.restart {
        lines.extend(hanging(INDENT, INDENT.len(), &waits(restart)));
    }
    lines
}

fn waits(restart: &PendingRestart) -> String {
    let when = match (&restart.opens, &restart.window) {
        (Some(opens), Some(window)) => format!("window {window}, {}", told(opens.0)),
        _ => "a window; no time is set".to_owned(),
    };
    format!(
        "its pods have an older configuration or certificate until they restart: that waits for {when} ({})",
        restart.reason
    )
}

/// The day in Malaysia.
fn day(time: &Time) -> String {
    let told = told(time.0);
    told.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{
        super::row::{
            rows,
            tests::{at, sites, waiting},
        },
        *,
    };

    const WIDTH: usize = 100;

    #[test]
    fn a_certificate_is_a_row_with_its_place_and_names_below() {
        let mut sites = sites();
        sites[0].pending = vec![waiting("mx")];
        let text = table(&rows(&sites, at("2026-11-24T00:00:00Z")));
        for line in [
            "CONTEXT  PART             SIGNED BY        ENDS        DAYS  RENEWED     PROBLEM",
            "pdsa1    mx               pdsa1 authority  2027-11-24   365  2027-07-25",
            "  Secret govuc-mta/tls-mx: mx-pdsa1.govuc-mta.svc, mx.pdsa1.govuc.internal",
            "  its pods have an older configuration or certificate until they restart: that waits for window",
            "  ahad-malam, 2026-12-06T01:00:00+08:00 (AwaitingWindow)",
            "pdsa2    authority        pdsa2 authority  2036-11-21  3650  never",
            "  Secret govuc-system/govuc-ca",
            "  ConfigMap govuc-system/govuc-peer-ca",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn what_is_wrong_stands_in_the_last_column() {
        let mut sites = sites();
        sites[1].leaves[0].1 = None;
        let text = table(&rows(&sites, at("2027-11-23T00:00:00Z")));
        let row = |part: &str| {
            text.lines()
                .find(|line| line.starts_with(part))
                .unwrap_or_default()
        };
        assert!(
            row("pdsa1    mx ").ends_with("     1  2027-07-25  ends soon"),
            "{text}"
        );
        assert!(row("pdsa2    mx ").ends_with("  missing"), "{text}");
    }

    #[test]
    fn one_cluster_alone_needs_no_column_that_names_it() {
        let mut site = sites().remove(0);
        site.context = None;
        let text = table(&rows(&[site], at("2026-11-24T00:00:00Z")));
        assert!(text.starts_with("PART "), "{text}");
    }
}
