//! The pages that people see: plain HTML, one small script, no third party. The console will need the same session and rules.

mod assets;
mod browser;
mod device;
mod layout;
mod passkeys;
mod sign_in;

pub use assets::{script, style};
pub use browser::{InBrowser, SameOrigin};
pub use device::{answer as device_answer, device};
pub use passkeys::{begin as passkey_begin, finish as passkey_finish, page as passkey_page};
pub use sign_in::{begin as login_begin, finish as login_finish, leave as logout, page as login};
