use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{Class, Envelope};
use serde_json::Value;
use uuid::Uuid;

use super::OpenError;
use crate::{
    canonical::prefixed,
    keys::{NONCE_LEN, NotAuthentic, Secret},
};

/// What a field's ciphertext is bound to, length-prefixed.
pub(super) fn bound(out: &mut Vec<u8>, event: Uuid, field: &str, subject: Uuid, class: Class) {
    out.clear();
    prefixed(out, event.as_bytes());
    prefixed(out, field.as_bytes());
    prefixed(out, subject.as_bytes());
    prefixed(out, class.as_str().as_bytes());
}

/// An envelope read where it stands, without copying its texts.
#[derive(Clone, Copy)]
pub(super) struct EnvelopeRef<'a> {
    pub class: Class,
    pub subject: Uuid,
    pub key: Uuid,
    pub event: Uuid,
    pub field: &'a str,
    nonce: &'a str,
    ciphertext: &'a str,
}

impl<'a> EnvelopeRef<'a> {
    /// `None` when the object is no envelope: a field missing, too much or of another type.
    pub fn read(value: &'a Value) -> Option<Self> {
        let object = value.as_object().filter(|object| object.len() == 7)?;
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let id = |name: &str| Uuid::try_parse(text(name)?).ok();
        Some(Self {
            class: Class::parse(text("class")?)?,
            subject: id("subject")?,
            key: id("key")?,
            event: id("event")?,
            field: text("field")?,
            nonce: text("nonce")?,
            ciphertext: text("box")?,
        })
    }

    pub fn tampered(&self, why: &'static str) -> OpenError {
        OpenError::Tampered { event: self.event, field: self.field.to_owned(), why }
    }

    pub fn unknown_key(&self) -> OpenError {
        OpenError::UnknownKey { event: self.event, field: self.field.to_owned(), key: self.key }
    }

    pub fn other_type(&self) -> OpenError {
        OpenError::OtherType { event: self.event, field: self.field.to_owned() }
    }

    /// Decrypts into `buffer`, which then holds the canonical JSON of the value.
    pub fn open(
        &self,
        secret: &Secret,
        scratch: &mut Vec<u8>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let mut nonce = [0; NONCE_LEN];
        // 32 characters without padding are exactly 24 bytes.
        match STANDARD.decode_slice(self.nonce, &mut nonce) {
            Ok(NONCE_LEN) => {}
            _ => return Err(self.tampered("its nonce is not 24 bytes in base64")),
        }
        buffer.clear();
        STANDARD.decode_vec(self.ciphertext, buffer).map_err(|_| self.tampered("its box is not base64"))?;
        bound(scratch, self.event, self.field, self.subject, self.class);
        secret.decrypt(&nonce, scratch, buffer).map_err(|NotAuthentic| {
            self.tampered("its bytes are not those that were sealed for this event, field, person and class")
        })
    }
}

impl<'a> From<&'a Envelope> for EnvelopeRef<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        Self {
            class: envelope.class,
            subject: envelope.subject,
            key: envelope.key,
            event: envelope.event,
            field: &envelope.field,
            nonce: &envelope.nonce,
            ciphertext: &envelope.ciphertext,
        }
    }
}
