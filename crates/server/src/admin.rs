//! What only who holds the data directory can do, beside a running server: make one-time codes.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use countersign_authority::{
    Ctx, Secrets, Store, StoreConfig,
    enrolment::EnrolmentCode,
    log::{self, Waiting},
    restore::Restored,
};
use countersign_crypto::{Secret, key_wrap::KeyFile};
use countersign_model::{
    name::{Email, TenantName},
    registry::TenantRole,
};

pub use countersign_authority::key_file::Rotated;

use crate::{
    clock::Clock,
    config::Config,
    key_file::{self, KeyFileError, rotation::Rotation},
    serve,
};

/// A one-time code with which a person signs in; good for fifteen minutes.
///
/// # Errors
/// When the key file cannot be had.
pub fn enrol(
    config: &Config,
    clock: &Clock,
    email: Email,
    role: Option<TenantRole>,
    tenant: Option<TenantName>,
) -> anyhow::Result<Secret<String>> {
    make(
        config,
        &EnrolmentCode::new(email, role, tenant, false, clock.now()),
    )
}

/// A one-time code that makes a tenant when its owner signs in with it.
///
/// # Errors
/// When the key file cannot be had.
pub fn tenant_create(
    config: &Config,
    clock: &Clock,
    name: TenantName,
    owner: Email,
) -> anyhow::Result<Secret<String>> {
    make(
        config,
        &EnrolmentCode::new(
            owner,
            Some(TenantRole::Owner),
            Some(name),
            true,
            clock.now(),
        ),
    )
}

/// The text of a new key file, for servers that share a database.
///
/// # Errors
/// When the random source fails.
pub fn key() -> anyhow::Result<Secret<String>> {
    Ok(KeyFile::generate()?.to_text())
}

/// A key file that took the place of another.
#[derive(Debug)]
pub struct RotatedKeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its id.
    pub id: String,
    /// What was wrapped anew.
    pub rotated: Rotated,
    /// Where the old one is kept.
    pub kept: PathBuf,
}

/// Makes a new key file and wraps everything with it. No server may run meanwhile. When it was cut off, it is done again.
///
/// # Errors
/// When a server runs, or the files or the database cannot be had; then the old key file is still good, or this goes on
/// when it is asked again.
pub async fn rotate_key_file(config: &Config, clock: &Clock) -> anyhow::Result<RotatedKeyFile> {
    let (config, clock) = (config.clone(), clock.clone());
    let rotate = tokio::task::spawn_blocking(move || {
        let rotation = Rotation::prepare(&config)?;
        let id = rotation.to.id().to_string();
        let rotated = rewrap(&config, &clock, &rotation)?;
        Ok(RotatedKeyFile {
            path: config.key_file(),
            id,
            rotated,
            kept: rotation.swap()?,
        })
    });
    rotate.await.context("rotating the key file panicked")?
}

/// The second step of a rotation: everything in the database is wrapped anew. Blocks.
///
/// # Errors
/// When a server runs, or the database cannot be had.
pub fn rewrap(config: &Config, clock: &Clock, rotation: &Rotation) -> anyhow::Result<Rotated> {
    let place = match &config.data.database {
        Some(url) => StoreConfig::postgres(url.expose().as_str()),
        None => StoreConfig::sqlite(config.data_directory()),
    };
    let (store, ctx) = (Store::open(place)?, Ctx::internal(clock.now()));
    let (from, to) = (Arc::clone(&rotation.from), Arc::clone(&rotation.to));
    let rotated = countersign_authority::key_file::rotate(&store, &ctx, from, to);
    store.close();
    Ok(rotated?)
}

/// Since when the oldest record waits for its place in the log, and who holds it up, when it has waited too long. Reads
/// the database beside running servers; nothing where it is not shared, for then nobody can hold it.
///
/// # Errors
/// When the database cannot be read.
pub async fn log_held(config: &Config, clock: &Clock) -> anyhow::Result<Option<Waiting>> {
    let Some(url) = &config.data.database else {
        return Ok(None);
    };
    let (store, now) = (StoreConfig::postgres(url.expose().as_str()), clock.now());
    let look = tokio::task::spawn_blocking(move || {
        let store = Store::open_reader(store)?;
        let waiting = store.read(move |tx| log::waiting(tx, now)).wait();
        store.close();
        waiting
    });
    let waiting = look.await.context("reading the database panicked")??;
    Ok(waiting.filter(|waiting| waiting.holder.is_some()))
}

fn make(config: &Config, code: &EnrolmentCode) -> anyhow::Result<Secret<String>> {
    // A code that no server takes helps nobody: only `serve` makes a new key file.
    let path = config.key_file();
    if config.keys.env.is_none() {
        is_there(&path, path.try_exists())?;
    }
    let opened = key_file::open(config, |name| std::env::var(name).ok());
    let opened = opened.map_err(|error| match error {
        KeyFileError::Unreadable { cause, .. } => unreadable(&path, cause),
        error => error.into(),
    })?;
    let secrets = Secrets::new(opened.key).context("the key file cannot be used")?;
    Ok(code.seal(&secrets.codes)?)
}

/// Only `serve` makes a key file, so that it must be there.
fn is_there(path: &Path, found: io::Result<bool>) -> anyhow::Result<()> {
    match found {
        Ok(true) => Ok(()),
        Ok(false) => anyhow::bail!(
            "there is no key file `{}`: is that the directory of the server? its first start makes it",
            path.display()
        ),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> anyhow::Error {
    let path = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        anyhow::anyhow!(
            "you may not read `{path}`: run this as the user that the server runs as, such as with `sudo -u USER`"
        )
    } else {
        anyhow::anyhow!("`{path}`: {error}")
    }
}

/// Declares that the database was restored: every earlier token dies, approvals are voided, the log
/// begins anew. The server must not run meanwhile.
///
/// # Errors
/// When the database or the key file cannot be had.
pub async fn restored(config: &Config, clock: &Clock) -> anyhow::Result<Restored> {
    // The issuer decides nothing here: what is written names records by id.
    let issuer = config.issuer(config.server.listen);
    let opened = serve::open_authority(config, clock, &issuer).await?;
    let ctx = Ctx::internal(clock.now());
    let restored = tokio::task::spawn_blocking(move || {
        let restored = opened.authority.declare_restored(&ctx);
        opened.authority.record_stop().wait()?;
        opened.authority.store().close();
        Ok::<_, anyhow::Error>(restored?)
    });
    restored.await.context("declaring the restore panicked")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_may_not_be_read_is_not_called_missing() {
        let told = |found| is_there(Path::new("data/countersign.key"), found);
        assert!(told(Ok(true)).is_ok());
        let missing = told(Ok(false)).unwrap_err().to_string();
        assert!(missing.starts_with("there is no key file"), "{missing}");
        let denied = told(Err(io::ErrorKind::PermissionDenied.into()));
        let denied = denied.unwrap_err().to_string();
        assert!(
            denied.starts_with("you may not read `data/countersign.key`: run this as the user"),
            "{denied}"
        );
    }
}
