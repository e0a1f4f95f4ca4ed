//! Amazon S3: its credentials and settings, from the environment and from the files that the AWS tools write.

use std::fs;
use std::path::{Path, PathBuf};

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};

use super::bucket::{
    METADATA, first_variable, home, is_set, no_credentials, retry, unusable, variable, variables,
};
use crate::error::{Code, Error, Result};

const NAME: &str = "Amazon S3";

/// A bucket, and where its credentials are from.
pub(super) fn open(bucket: &str) -> Result<(AmazonS3, String)> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables("AWS_") {
        if let Ok(key) = name.parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = first_variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]);
    if endpoint.is_some_and(|(_, address)| address.starts_with("http://")) {
        // Whoever gives such an address means it.
        builder = builder.with_allow_http(true);
    }
    let profile = Profile::read();
    if first_variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).is_none()
        && let Some(region) = profile.get("region")
    {
        builder = builder.with_region(region);
    }
    let (builder, from) = credentials(builder, &profile)?;
    let store = builder.with_bucket_name(bucket).with_retry(retry()).build();
    let store = store.map_err(|e| unusable(NAME, &e))?;
    Ok((store, from))
}

fn credentials(builder: AmazonS3Builder, profile: &Profile) -> Result<(AmazonS3Builder, String)> {
    if is_set("AWS_SKIP_SIGNATURE") {
        return Ok((builder, "no credentials (AWS_SKIP_SIGNATURE)".to_owned()));
    }
    let key = variable("AWS_ACCESS_KEY_ID");
    match (key, variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(_), Some(_)) => {
            return Ok((builder, "the key of AWS_ACCESS_KEY_ID".to_owned()));
        }
        (None, None) => {}
        (Some(_), None) => return Err(half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        (None, Some(_)) => return Err(half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
    }
    if variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && variable("AWS_ROLE_ARN").is_some() {
        let from = "the role of AWS_ROLE_ARN, by AWS_WEB_IDENTITY_TOKEN_FILE";
        return Ok((builder, from.to_owned()));
    }
    let container = [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if let Some((name, _)) = first_variable(&container) {
        return Ok((builder, format!("the container's role, by {name}")));
    }
    if let (Some(key), Some(secret)) = (
        profile.get("aws_access_key_id"),
        profile.get("aws_secret_access_key"),
    ) {
        let builder = builder
            .with_access_key_id(key)
            .with_secret_access_key(secret);
        let builder = match profile.get("aws_session_token") {
            Some(token) => builder.with_token(token),
            None => builder,
        };
        return Ok((
            builder,
            format!("the profile `{}` of the AWS files", profile.name),
        ));
    }
    if is_set(METADATA) {
        return Ok((
            builder,
            "the machine's role, from its metadata service".to_owned(),
        ));
    }
    let export = "aws configure export-credentials --format env";
    Err(if profile.is_there() {
        let reason = format!(
            "the profile `{}` of the AWS files has no key of its own",
            profile.name
        );
        Error::new(Code::Unauthorized, reason).help(format!(
            "for a profile with SSO, a role or a process, run `eval \"$({export})\"` first"
        ))
    } else {
        no_credentials(
            NAME,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or AWS_SKIP_SIGNATURE=true for a public bucket",
        )
    })
}

fn half(given: &str, missing: &str) -> Error {
    Error::new(
        Code::Unauthorized,
        format!("{given} is set and {missing} is not"),
    )
    .help("set both, or neither")
}

/// A profile of the AWS tools, as `~/.aws/credentials` and `~/.aws/config` have it.
struct Profile {
    name: String,
    settings: Vec<(String, String)>,
}

impl Profile {
    fn read() -> Profile {
        let name = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        let file = |variable_name: &str, usual: &str| {
            variable(variable_name)
                .map(PathBuf::from)
                .or_else(|| Some(home()?.join(".aws").join(usual)))
        };
        let read = |path: Option<PathBuf>, section: &str| {
            path.map(|path| section_of(&path, section))
                .unwrap_or_default()
        };
        let mut settings = read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), &name);
        let config = file("AWS_CONFIG_FILE", "config");
        if name == "default" {
            settings.extend(read(config.clone(), "default"));
        }
        settings.extend(read(config, &format!("profile {name}")));
        Profile { name, settings }
    }

    fn is_there(&self) -> bool {
        !self.settings.is_empty()
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The settings of a section; a file that cannot be read has none.
fn section_of(path: &Path, section: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut inside = false;
    let mut settings = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            inside = name.split_whitespace().eq(section.split_whitespace());
        } else if inside
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((key, value)) = trimmed.split_once('=')
        {
            settings.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    settings
}
