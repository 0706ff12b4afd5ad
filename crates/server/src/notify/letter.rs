//! The letter of an invitation: who invites, into what, and the link.

use countersign_authority::notices::Letter;
use countersign_model::name::Email;

use super::{email::Mail, form::one_line};

/// To whom a letter goes, and what it says. INVARIANT: what it holds lets somebody in, and goes nowhere else.
pub fn mail(letter: &Letter) -> (&Email, Mail) {
    let invited = &letter.invited;
    let (invitation, by) = (&invited.invitation, one_line(&invited.invited_by));
    let place = match (&invited.project, invitation.doc.project) {
        (Some(name), Some(into)) => format!(
            ", and to its project `{}`, as {}",
            one_line(name),
            into.role.as_str()
        ),
        _ => String::new(),
    };
    let url = letter.url.expose();
    let server = url.split("/passkeys#").next().unwrap_or_default();
    let text = format!(
        "{by} invites you to Countersign at {server}, as {}{place}.

Open this where your passkey is to be. It is good once, until {}:

{url}

Whoever opens it comes in as you: hand it on to nobody. If you do not know {by}, do nothing: nobody is made for you until it is opened.
",
        invitation.doc.role.as_str(),
        invitation.expires_at
    );
    let mail = Mail {
        subject: format!("[Countersign] {by} invites you"),
        text: text.replace('\n', "\r\n"),
    };
    (&invitation.email, mail)
}
