//! `project`: projects.

use clap::{Args, Subcommand};
use countersign_api::projects::{self, CreateProject, MemberInput, UpdateProject};
use countersign_model::name::{ActionName, ProjectName};

use crate::{
    app::App,
    failure::Failure,
    input::{confirm, pair, word},
    registry::{self, ActArgs, DeleteArgs, ListArgs, Lists, Target},
    view::Column,
};

/// Projects: where identities live
#[derive(Debug, Subcommand)]
pub enum Project {
    /// List projects
    #[command(after_help = "Example:\n  countersign project list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign project show support")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign project create support --member lee@example.com=editor"
    )]
    Create(Create),
    /// Edit one; a list drops nothing without --replace
    ///
    /// A list that is given takes the place of the whole list. When it leaves out something that the list has now, the edit
    /// is refused, and says what, unless --replace says that it shall be dropped.
    #[command(
        after_help = "Example:\n  countersign project update support --description 'Support tools'"
    )]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign project delete support --dry-run")]
    Delete(DeleteArgs),
    /// Leave one yourself, as long as somebody else owns it
    #[command(after_help = "Example:\n  countersign project leave support")]
    Leave(ActArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: ProjectName,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Who else is in it, as USER=viewer, USER=editor or USER=owner; once for each
    #[arg(long = "member", value_name = "USER=ROLE", value_parser = member)]
    members: Vec<MemberInput>,
    /// An action that its members may give, instead of the whole catalogue; once for each
    #[arg(long = "allow", value_name = "ACTION", value_delimiter = ',')]
    allowed_actions: Vec<ActionName>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// Another name
    #[arg(long)]
    name: Option<ProjectName>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Who is in it, all of them, as USER=viewer, USER=editor or USER=owner; once for each
    #[arg(long = "member", value_name = "USER=ROLE", value_parser = member)]
    members: Option<Vec<MemberInput>>,
    /// An action that its members may give, all of them; once for each
    #[arg(
        long = "allow",
        value_name = "ACTION",
        value_delimiter = ',',
        conflicts_with = "allow_all"
    )]
    allowed_actions: Option<Vec<ActionName>>,
    /// Its members may give the whole catalogue
    #[arg(long)]
    allow_all: bool,
    #[command(flatten)]
    lists: Lists,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column("NAME", "/name"),
    Column("MEMBERS", "/members"),
    Column("DESCRIPTION", "/description"),
    Column("STATUS", "/status"),
];

impl Project {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<projects::Project>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<projects::Project>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<projects::Project>(app, "project", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<projects::Project>(
                    app,
                    "project",
                    &args.target,
                    &args.request()?,
                    args.lists,
                )
                .await
            }
            Self::Delete(args) => {
                registry::delete::<projects::Project>(app, "project", &args).await
            }
            Self::Leave(args) => {
                let question = format!(
                    "leave project `{}`? only its owners can let you in again",
                    args.target
                );
                confirm(&question, args.yes)?;
                app.client()?
                    .leave_project(&args.target, &args.why())
                    .await?;
                app.out.talk(&format!("left project `{}`", args.target));
                Ok(())
            }
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateProject, Failure> {
        let ceiling = (!self.allowed_actions.is_empty())
            .then(|| self.allowed_actions.iter().cloned().collect());
        Ok(CreateProject {
            name: self.name.clone(),
            description: self.description.clone(),
            members: self.members.clone(),
            allowed_actions: ceiling,
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateProject, Failure> {
        let ceiling = self
            .allowed_actions
            .clone()
            .map(|actions| Some(actions.into_iter().collect()));
        Ok(UpdateProject {
            name: self.name.clone(),
            description: self.description.clone(),
            members: self.members.clone(),
            allowed_actions: if self.allow_all { Some(None) } else { ceiling },
            reason: self.reason.clone(),
        })
    }
}

fn member(text: &str) -> Result<MemberInput, String> {
    let (user, role) = pair(text)?;
    Ok(MemberInput {
        user: user.into(),
        role: word(&role)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_a_user_and_a_role() {
        assert_eq!(
            member("lee@example.com=owner").unwrap().user.as_str(),
            "lee@example.com"
        );
        assert!(
            member("lee@example.com=boss")
                .unwrap_err()
                .contains("`viewer`")
        );
        assert!(member("lee@example.com").unwrap_err().contains("KEY=VALUE"));
    }
}
