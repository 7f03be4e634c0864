/* Encodings of mail: header values (RFC 2047, folded at 76 columns) and quoted-printable bodies (RFC 2045). What comes
 * out holds no bare line break or control character, whatever goes in. Pure. */
#pragma once

#include "base/strbuf.h"

/* "Name: value\r\n": as it stands if it is short plain ASCII, else as encoded words. */
void mime_header(struct strbuf *b, const char *name, const char *value);
/* The name in front of a mail address: atoms, a quoted string or encoded words. `column`: bytes already on the line. */
void mime_phrase(struct strbuf *b, const char *name, size_t column);
/* Text with '\n' between its lines as quoted-printable with CRLF; ends with CRLF. */
void mime_body(struct strbuf *b, const char *text);
