//! `kubectl govuc witness`: the folder with which a machine at a third place becomes the witness.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use clap::Args;
use govuc_api::{PLATFORM, Platform, conditions::types};
use govuc_etcd::MemberId;
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::contexts::{self, Context};
use crate::{
    part::template,
    pki::{
        self, Leaf, Root,
        kept::{ROOT_KEY, ROOT_SECRET},
    },
    platform::{Endpoint, Installation, InstallationError},
    roles::{
        FORMED_CONFIG_MAP, formation,
        witness::{File, Joined, Validity, folder},
    },
};

const MANAGER: &str = "govuc-witness";

#[derive(Args, Debug)]
pub struct Arguments {
    /// A context of kubeconfig: either site's, since both have the same authority. The current one when left out.
    #[arg(long)]
    context: Option<String>,
    /// The folder to write. It may be there: then what this command writes is written again, with a new certificate.
    #[arg(short, long, default_value = "govuc-witness", value_name = "FOLDER")]
    output: PathBuf,
    /// The witness is lost for good: the member with this id, which condition RolesReady of Platform names, is taken from the
    /// others, and its place is for this folder's machine. What is on the old one's disk is of no use from then on.
    #[arg(long, value_name = "ID")]
    lost: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Context(#[from] contexts::Error),
    #[error("{context}: {what} can't be read")]
    Api {
        context: String,
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error("{context}: the Platform can't be told that the witness is lost")]
    GiveUp {
        context: String,
        source: Box<kube::Error>,
    },
    #[error("{context}: there is no Platform: apply it first, with spec.roles.mode Witness")]
    NoPlatform { context: String },
    #[error(
        "{context}: the Platform has no witness. Set spec.roles to {{mode: Witness, witness: {{endpoint: HOST:PORT}}}}, where \
         HOST:PORT is how both sites reach the machine"
    )]
    NoWitness { context: String },
    #[error("{context}: the Platform has no sites")]
    NoSite { context: String },
    #[error("{context}: the Platform means nothing")]
    Installation {
        context: String,
        source: InstallationError,
    },
    #[error(
        "{context}: there is no root secret yet, from which the certificate is made: run kubectl govuc connect --contexts A,B \
         first"
    )]
    NoRoot { context: String },
    #[error(
        "--lost is {0:?}, which is no id of a member: write it as RolesReady has it, for example 8e9e05c52164694d"
    )]
    NoId(String),
    #[error(
        "{context}: RolesReady does not name {id} as a witness that can't be reached, so it is not given up. It says: {said}"
    )]
    NotLost {
        context: String,
        id: String,
        said: String,
    },
    #[error("the certificate can't be made")]
    Pki(#[from] pki::Error),
    #[error("the certificate that was made can't be read")]
    Unreadable,
    #[error("a file of the folder can't be rendered")]
    Template(#[from] template::Error),
    #[error("{path} can't be written")]
    File { path: PathBuf, source: io::Error },
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    let names: Vec<String> = arguments.context.into_iter().collect();
    for context in contexts::open(&names).await? {
        let platform = platform(&context).await?;
        let (installation, endpoint) = installation(&context, &platform)?;
        if let Some(id) = &arguments.lost {
            is_lost(&context, &platform, id)?;
        }
        let cluster = formed(&context).await?;
        let now = Timestamp::now();
        let (root, since) = root(&context, now).await?;
        let leaf = certificate(&root, since, now)?;
        let joined = Joined {
            token: &pki::roles_token(&root),
            cluster: cluster.as_deref(),
        };
        let validity = Validity {
            renewal: pki::renewal(&leaf).ok_or(Error::Unreadable)?,
            end: pki::end(&leaf).ok_or(Error::Unreadable)?,
        };
        write(
            &arguments.output,
            &folder(&installation, &endpoint, joined, &leaf, validity)?,
        )?;
        // Last: before the folder is there nobody could take the place.
        if let Some(id) = &arguments.lost {
            give_up(&context, &platform, id).await?;
            println!(
                "member {id} is given up: the operator makes its place anew, which RolesReady of Platform tells"
            );
        }
    }
    let folder = arguments.output.display();
    println!("{folder} is written: bring it to the witness and do what {folder}/README.md says");
    Ok(())
}

async fn platform(context: &Context) -> Result<Platform, Error> {
    let platforms: Api<Platform> = Api::all(context.client.clone());
    platforms
        .get_opt(PLATFORM)
        .await
        .map_err(api(context, "the Platform"))?
        .ok_or_else(|| Error::NoPlatform {
            context: context.label().to_owned(),
        })
}

/// The service and where its witness is.
fn installation(context: &Context, platform: &Platform) -> Result<(Installation, Endpoint), Error> {
    let label = || context.label().to_owned();
    // Either site's view would do: what the witness gets is the same.
    let site = platform
        .spec
        .sites
        .first()
        .ok_or_else(|| Error::NoSite { context: label() })?;
    let installation = Installation::of(platform, &site.name).map_err(|source| Error::Installation {
        context: label(),
        source,
    })?;
    let endpoint = installation
        .witness
        .clone()
        .ok_or_else(|| Error::NoWitness { context: label() })?;
    Ok((installation, endpoint))
}

/// etcd's id of the cluster, if one was formed.
async fn formed(context: &Context) -> Result<Option<String>, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), SYSTEM_NAMESPACE);
    let map = maps
        .get_opt(FORMED_CONFIG_MAP)
        .await
        .map_err(api(context, "the id of the roles' etcd"))?;
    Ok(map.map(formation::id))
}

/// Refuses to give up a member that is not the witness, or that is there: a slip would cost a vote.
fn is_lost(context: &Context, platform: &Platform, id: &str) -> Result<(), Error> {
    id.parse::<MemberId>().map_err(|_| Error::NoId(id.to_owned()))?;
    let conditions = platform
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let said = conditions
        .iter()
        .find(|condition| condition.type_ == types::ROLES_READY)
        .map_or("nothing", |condition| condition.message.as_str());
    if is_away(said, id) {
        return Ok(());
    }
    Err(Error::NotLost {
        context: context.label().to_owned(),
        id: id.to_owned(),
        said: said.to_owned(),
    })
}

/// Whether RolesReady, which says this, means the witness with this id, and that it can't be reached.
fn is_away(said: &str, id: &str) -> bool {
    said.contains(&format!("the witness ({id})"))
}

/// Writes into Platform's spec that the witness is lost.
async fn give_up(context: &Context, platform: &Platform, id: &str) -> Result<(), Error> {
    let platforms: Api<Platform> = Api::all(context.client.clone());
    let body = json!({
        "apiVersion": Platform::api_version(&()),
        "kind": Platform::kind(&()),
        // An apply makes what is missing; a Platform that has gone must not come back.
        "metadata": {"uid": platform.uid()},
        "spec": {"roles": {"witness": {"lost": id}}},
    });
    let params = PatchParams::apply(MANAGER).force();
    platforms
        .patch(PLATFORM, &params, &Patch::Apply(&body))
        .await
        .map(drop)
        .map_err(|source| Error::GiveUp {
            context: context.label().to_owned(),
            source: Box::new(source),
        })
}

/// The root secret, and since when it has been there.
async fn root(context: &Context, now: Timestamp) -> Result<(Root, Timestamp), Error> {
    let no_root = || Error::NoRoot {
        context: context.label().to_owned(),
    };
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), SYSTEM_NAMESPACE);
    let secret = secrets
        .get_opt(ROOT_SECRET)
        .await
        .map_err(api(context, "the root secret"))?
        .ok_or_else(no_root)?;
    let Time(since) = secret.metadata.creation_timestamp.unwrap_or(Time(now));
    let ByteString(root) = secret
        .data
        .and_then(|mut data| data.remove(ROOT_KEY))
        .ok_or_else(no_root)?;
    Ok((Root::new(&root)?, since))
}

fn certificate(root: &Root, since: Timestamp, now: Timestamp) -> Result<Leaf, Error> {
    let authority = pki::roles_authority(root, since, now)?;
    Ok(authority.issue(&pki::witness(authority.certificate()), now)?)
}

fn write(folder: &Path, files: &[File]) -> Result<(), Error> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(fault(folder))?;
    for File { name, text, mode } in files {
        let path = folder.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(*mode)
            .open(&path)
            .map_err(fault(&path))?;
        // What was there keeps its mode otherwise, and a key must not be readable for a moment.
        file.set_permissions(fs::Permissions::from_mode(*mode))
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(fault(&path))?;
    }
    Ok(())
}

fn api(context: &Context, what: &'static str) -> impl FnOnce(kube::Error) -> Error {
    let context = context.label().to_owned();
    move |source| Error::Api {
        context,
        what,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::health::tests::{seen, three};

    #[test]
    fn a_witness_is_given_up_only_by_the_id_by_which_the_operator_misses_it() {
        let said = |present: &[u64]| seen(Some(three()), present).word().message;
        assert!(is_away(&said(&[1, 2]), "3"));
        assert!(!is_away(&said(&[1, 2]), "1"), "it is a site's");
        assert!(!is_away(&said(&[1, 2, 3]), "3"), "it is there");
        assert!(!is_away(&said(&[1, 3]), "2"), "a site's is away");
        assert!(!is_away(&seen(None, &[1]).word().message, "3"), "no majority is");
    }

    #[test]
    fn what_is_written_again_has_its_mode_whatever_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("govuc-witness");
        let key = |text: &str| File {
            name: "tls.key",
            text: text.to_owned(),
            mode: 0o600,
        };
        write(&folder, &[key("a longer one")]).unwrap();
        let path = folder.join("tls.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&folder, &[key("new")]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
    }
}
