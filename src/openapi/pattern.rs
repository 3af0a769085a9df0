//! Patterns of what is written as a text, as schemas have them. Pure.

/// An account's id.
pub(crate) const ACCOUNT: &str = "^acct_[0-9a-fA-F]{16}$";
/// A key's id within its account.
pub(crate) const KEY: &str = "^key_[0-9]{1,9}$";
/// A project's id within its account.
pub(crate) const PROJECT: &str = "^proj_[0-9]{1,9}$";
/// A member's id within its account.
pub(crate) const MEMBER: &str = "^mem_[0-9]{1,9}$";
/// A top-up's id within its account.
pub(crate) const TOP_UP: &str = "^topup_[0-9]{1,9}$";
/// A webhook's id within its account.
pub(crate) const WEBHOOK: &str = "^hook_[0-9]{1,9}$";
/// An operator's token's id.
pub(crate) const TOKEN: &str = "^tok_[0-9]{1,9}$";
/// A grant's id within its account.
pub(crate) const GRANT: &str = "^grant_[0-9]{1,9}$";
/// The id of an exchange.
pub(crate) const EXCHANGE: &str = "^req_[0-9a-fA-F]{32}$";
/// Dollars without a sign, to the nano-dollar.
pub(crate) const USD: &str = r"^[0-9]{1,9}(\.[0-9]{1,9})?$";
/// A part of a price that is added or taken off, to four digits behind the point.
pub(crate) const MARKUP: &str = r"^-?[0-9]{1,6}(\.[0-9]{1,4})?%$";
/// A name, reason or reference: no control character, and none that hides text or shows it in another order.
pub(crate) const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*$";
/// A cursor of records of usage.
pub(crate) const USAGE_CURSOR: &str =
    r"^acct_[0-9a-fA-F]{16}(\.[0-9]{1,18}\.req_[0-9a-fA-F]{32})?$";
/// An address of electronic mail.
pub(crate) const EMAIL: &str = "^[^@\\s]+@[^@\\s]+$";
/// A whole number in decimal digits.
pub(crate) const NUMBER: &str = "^[0-9]{1,18}$";
/// A date, or milliseconds since 1970.
pub(crate) const TIME: &str =
    "^([0-9]{1,18}|(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))$";
/// What sums are by, with commas between.
pub(crate) const GROUP_BY: &str = "^(hour|day|month|key|project|user|client|asked_model|model|provider|dialect|end|status|finish|source)$";
/// What a request is known by that is to be done once.
pub(crate) const ONCE: &str = "^[!-~]([ -~]{0,253}[!-~])?$";
/// The same where it is a secret.
pub(crate) const SECRET_ONCE: &str = "^[!-~][ -~]{14,253}[!-~]$";
/// Versions, with commas between, or `*` for any.
pub(crate) const VERSIONS: &str = "^[!-~]([ -~]*[!-~])?$";
/// A month.
pub(crate) const MONTH: &str = "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$";
