//! What people see: the console, and plain pages of HTML and one small script that sign people in. No third party.

mod assets;
mod browser;
mod console;
mod device;
mod layout;
mod passkeys;
mod provider;
mod sign_in;

pub use assets::{script, style};
pub use browser::{InBrowser, SameOrigin, has_cookie, set_cookie};
pub use console::{file as console_file, index as console};
pub use device::{answer as device_answer, device};
pub use passkeys::{
    begin as passkey_begin, enrol as passkey_enrol, finish as passkey_finish, page as passkey_page,
};
pub use provider::{
    backchannel as provider_logout, begin as provider_begin, callback as provider_callback,
};
pub use sign_in::{begin as login_begin, finish as login_finish, leave as logout, page as login};
