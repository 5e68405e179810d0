//! Takes back whatever a fault did, whether it was done or not.

use nix::sys::signal::Signal;

use super::processes;
use crate::machine::{Machine, Role};
use crate::network::Site;
use crate::service::Service;
use crate::{fault, site, up};

/// Programs of the sites that faults kill.
const KILLED: &str = "kube-apiserver";

/// Lines, frozen and dead sites, stopped and dead programs, nodes that take no pods.
pub async fn everything(service: &Service) -> anyhow::Result<()> {
    let lab = &service.lab;
    fault::change(lab, |faults| faults.heal(None))?;
    for place in Site::ALL {
        match Machine::find(&lab.name, Role::Site(place)) {
            None => up::revive(lab, place).await?,
            Some(machine) => {
                machine.cgroups().thaw()?;
                processes::signal(&processes::stopped(&machine), Signal::SIGCONT);
            }
        }
        let program = if place.is_data_centre() {
            KILLED
        } else {
            site::witness::PROGRAM
        };
        let machine = site::machine(lab, place)?;
        if !machine
            .programs()
            .iter()
            .any(|process| process.program() == program)
        {
            site::revive_program(lab, place, program)?;
        }
    }
    for place in Site::DATA_CENTRES {
        let client = site::client(&lab.folder.site(place).kubeconfig("admin")).await?;
        site::wait_for_api(&client).await?;
        service.kubectl.run(place, &["uncordon", place.name()])?;
    }
    Ok(())
}
