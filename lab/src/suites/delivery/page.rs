//! The page of what was measured.

use std::fmt::Write as _;

use super::{Cell, Figure, LEAST_SHARE, MOST_ADDED, Measured, Setup};

/// The cells that have as many clients as these, in the order in which they were measured.
fn cells(measured: &[Measured], of: impl Fn(usize) -> bool) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for cell in measured.iter().map(Measured::cell) {
        if of(cell.clients) && !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells
}

/// The whole of it.
pub(super) fn page(measured: &[Measured], processors: usize, load: &str) -> String {
    let rounds = measured.iter().map(|one| one.round).max().unwrap_or_default();
    let (alone, together) = (
        cells(measured, |clients| clients == 1),
        cells(measured, |clients| clients > 1),
    );
    let clients = together.first().map_or(0, |cell| cell.clients);
    let mut page = format!(
        "# What gate and relay add to a delivery\n\n\
         `cargo lab bench delivery` writes this page: {rounds} rounds, in each of which mail is brought to the same\n\
         engines in three ways, one after the other.\n\n\
         | Way | LMTP | Sync |\n|---|---|---|\n\
         | the engine | to the engine, no TLS | from engine to engine, no TLS |\n\
         | the engine's own TLS | to the engine, STARTTLS and a password, both show certificates | as above |\n\
         | gate and relays | to the guard, TLS as Postfix does it, both show certificates | through both guards, TLS |\n\n\
         Each is a pair of Cyrus engines of the image with the image's templates, all on loopback; the guards have their\n\
         roles from a real etcd, and are paired. A connection is kept for all of a client's messages, or there is one each,\n\
         as Postfix does with TLS; the engine then makes a new one to its peer for each as well. The engine wants the password\n\
         of whoever comes by TLS, and takes a step more to the end of its handshake than the guard. Both sites, the clients and\n\
         etcd share {processors} processors; what else ran there made a load of {load} before.\n\n\
         ## Added to a delivery\n\n\
         One client; milliseconds from the end of a message to its answer, and from before its connection (or sender, where\n\
         the connection is kept) to its answer. Of each round: what half of the messages, and 99 of 100, don't exceed,\n\
         less the same of the other way. The design asks for at most {MOST_ADDED:.0} ms at 99 of 100; bold is what misses it.\n\n\
         | Message | Connection | From | Against | Half | Worst of {rounds} | 99 of 100 | Worst of {rounds} |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for cell in &alone {
        for (from, figure) in [
            ("end", Figure::Answer as fn(f64) -> Figure),
            ("beginning", Figure::Session),
        ] {
            for other in [Setup::Direct, Setup::EngineTls] {
                let added =
                    |share| cell.against(measured, other, figure(share), |guarded, other| guarded - other);
                if let (Some(half), Some(most)) = (added(0.5), added(0.99)) {
                    let _ = writeln!(
                        page,
                        "| {} | {from} | {} | {:.2} | {:.2} | {} | {} |",
                        cell.name(),
                        other.name(),
                        half.median,
                        half.worst,
                        marked(format!("{:.2}", most.median), most.median <= MOST_ADDED),
                        marked(format!("{:.2}", most.worst), most.worst <= MOST_ADDED),
                    );
                }
            }
        }
    }
    let _ = write!(
        page,
        "\n## Throughput\n\n\
         {clients} clients at once, each with a mailbox of its own: the share of the other way's messages a second. The\n\
         design asks for at least {:.0} %.\n\n\
         | Message | Connection | Against | Median | Worst of {rounds} |\n|---|---|---|---|---|\n",
        LEAST_SHARE * 100.0
    );
    for cell in &together {
        for other in [Setup::Direct, Setup::EngineTls] {
            let figure = Figure::Throughput;
            if let Some(share) = cell.against(measured, other, figure, |guarded, other| guarded / other) {
                let told = |share: f64| marked(format!("{:.0} %", share * 100.0), share >= LEAST_SHARE);
                let _ = writeln!(
                    page,
                    "| {} | {} | {} | {} |",
                    cell.name(),
                    other.name(),
                    told(share.median),
                    told(share.worst)
                );
            }
        }
    }
    page.push_str(&measurements(measured, &alone, &together));
    page
}

/// What the shares and differences are of.
fn measurements(measured: &[Measured], alone: &[Cell], together: &[Cell]) -> String {
    let mut text = "\n## What was measured\n\n\
        One client, milliseconds; each is the median of the rounds and, behind it, the worst.\n\n\
        | Message | Connection | Way | End, half | End, 99 of 100 | Beginning, half | Beginning, 99 of 100 |\n\
        |---|---|---|---|---|---|---|\n"
        .to_owned();
    let told = |cell: &Cell, setup, figure, digits: usize| {
        let spread = cell.spread(measured, setup, figure);
        spread.map_or_else(String::new, |spread| {
            format!(" {:.digits$}, {:.digits$} |", spread.median, spread.worst)
        })
    };
    for cell in alone {
        for setup in Setup::ALL {
            let _ = write!(text, "| {} | {} |", cell.name(), setup.name());
            for figure in [Figure::Answer, Figure::Session] {
                for share in [0.5, 0.99] {
                    text.push_str(&told(cell, setup, figure(share), 2));
                }
            }
            text.push('\n');
        }
    }
    text.push_str(
        "\nAll clients, messages a second.\n\n| Message | Connection | Way | Messages |\n|---|---|---|---|\n",
    );
    for cell in together {
        for setup in Setup::ALL {
            let throughput = told(cell, setup, Figure::Throughput, 0);
            let _ = writeln!(text, "| {} | {} |{throughput}", cell.name(), setup.name());
        }
    }
    text
}

/// Bold where the design's bar is missed.
fn marked(figure: String, met: bool) -> String {
    if met { figure } else { format!("**{figure}**") }
}

#[cfg(test)]
mod tests {
    use super::super::Connection;
    use super::*;

    fn measured(round: u32, setup: Setup, clients: usize, seconds: f64, answers: &[f64]) -> Measured {
        Measured {
            round,
            setup,
            connection: Connection::Each,
            size: 2_000,
            clients,
            seconds,
            answers: answers.to_vec(),
            sessions: answers.iter().map(|answer| answer + 1.0).collect(),
        }
    }

    #[test]
    fn what_is_added_is_told_by_round_with_its_worst() {
        let mut all = Vec::new();
        for (round, (direct, guarded)) in [(5.0, 5.5), (9.0, 9.25), (6.0, 8.0)].into_iter().enumerate() {
            let round = round as u32 + 1;
            // What the bench prints first need not be the earliest.
            all.insert(0, measured(round, Setup::Guarded, 1, 1.0, &[guarded]));
            all.push(measured(round, Setup::Direct, 1, 1.0, &[direct]));
        }
        let page = page(&all, 2, "0.10");
        for line in [
            "3 rounds",
            "share 2 processors; what else ran there made a load of 0.10 before",
            "| 2 kB | one each | end | the engine | 0.50 | 2.00 | 0.50 | **2.00** |",
            "| 2 kB | one each | the engine | 6.00, 9.00 | 6.00, 9.00 | 7.00, 10.00 | 7.00, 10.00 |",
        ] {
            assert!(page.contains(line), "without {line:?}: {page}");
        }
    }

    #[test]
    fn of_throughput_the_lowest_is_the_worst() {
        let mut all = Vec::new();
        for (round, seconds) in [(1, 2.0), (2, 2.1), (3, 2.5)] {
            all.push(measured(round, Setup::Direct, 8, 2.0, &[1.0; 200]));
            all.push(measured(round, Setup::Guarded, 8, seconds, &[1.0; 200]));
        }
        let page = page(&all, 2, "0.10");
        for line in [
            "8 clients at once",
            "| 2 kB | one each | the engine | 95 % | **80 %** |",
            "| 2 kB | one each | gate and relays | 95, 80 |",
        ] {
            assert!(page.contains(line), "without {line:?}: {page}");
        }
    }
}
