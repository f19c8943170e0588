/* Whether a value is the JSON text of an object or array, as strictly as wire/unfold.py has it: RFC 8259's grammar in
 * valid UTF-8, no lone surrogate escapes, at most JSON_MAX_DEPTH deep.
 */
#ifndef JSON_H
#define JSON_H

#include "text.h"

enum { JSON_MAX_DEPTH = 100 };

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
  const uint8_t *readable;
  bool breaks; /* its white space has line breaks */
} Json;

static inline bool json_next_is(const Json *json, uint8_t byte) { return json->at < json->end && *json->at == byte; }

static inline void json_space(Json *json)
{
  for (; json->at < json->end; json->at++) {
    if (*json->at == '\n' || *json->at == '\r')
      json->breaks = true;
    else if (*json->at != ' ' && *json->at != '\t')
      return;
  }
}

static inline bool json_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/* The four digits of an escape that begins with \u; -1 if they are none. */
static inline int32_t json_four_digits(Json *json)
{
  int32_t value = 0;
  if (json->end - json->at < 4) return -1;
  for (int each = 0; each < 4; each++) {
    const uint8_t byte = *json->at++;
    const uint8_t lower = byte | 0x20;
    if (json_digit(byte))
      value = value << 4 | (byte - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = value << 4 | (lower - 'a' + 10);
    else
      return -1;
  }
  return value;
}

/* After a backslash. */
static inline bool json_escape(Json *json)
{
  if (json->at == json->end) return false;
  switch (*json->at++) {
  case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return true;
  case 'u': break;
  default: return false;
  }
  const int32_t first = json_four_digits(json);
  if (first < 0 || (first & 0xFC00) == 0xDC00) return false;
  if ((first & 0xFC00) != 0xD800) return true;
  if (json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u') return false;
  json->at += 2;
  const int32_t second = json_four_digits(json);
  return second >= 0 && (second & 0xFC00) == 0xDC00;
}

/* From the quote that opens it to after the one that closes it. */
static inline bool json_string(Json *json)
{
  json->at++;
  while (json->at < json->end) {
    json->at += text_plain(json->at, json->end, json->readable, NULL);
    if (json->at == json->end) return false;
    const uint8_t byte = *json->at;
    if (byte >= 0x80) {
      bool good;
      json->at += text_character(json->at, json->end, &good);
      if (!good) return false;
    } else if (byte == '"') {
      json->at++;
      return true;
    } else if (byte == '\\') {
      json->at++;
      if (!json_escape(json)) return false;
    } else if (byte < 0x20) {
      return false;
    }
  }
  return false;
}

static inline bool json_digits(Json *json)
{
  if (json->at == json->end || !json_digit(*json->at)) return false;
  while (json->at < json->end && json_digit(*json->at)) json->at++;
  return true;
}

static inline bool json_number(Json *json)
{
  if (json_next_is(json, '-')) json->at++;
  if (json_next_is(json, '0'))
    json->at++;
  else if (!json_digits(json))
    return false;
  if (json_next_is(json, '.')) {
    json->at++;
    if (!json_digits(json)) return false;
  }
  if (json_next_is(json, 'e') || json_next_is(json, 'E')) {
    json->at++;
    if (json_next_is(json, '+') || json_next_is(json, '-')) json->at++;
    return json_digits(json);
  }
  return true;
}

static inline bool json_word(Json *json, const char *word)
{
  const size_t size = strlen(word);
  if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size) != 0) return false;
  json->at += size;
  return true;
}

static inline bool json_scalar(Json *json)
{
  if (json->at == json->end) return false;
  switch (*json->at) {
  case '"': return json_string(json);
  case 't': return json_word(json, "true");
  case 'f': return json_word(json, "false");
  case 'n': return json_word(json, "null");
  default: return json_number(json);
  }
}

/* A key and its colon. */
static inline bool json_key(Json *json)
{
  json_space(json);
  if (!json_next_is(json, '"') || !json_string(json)) return false;
  json_space(json);
  if (!json_next_is(json, ':')) return false;
  json->at++;
  return true;
}

static bool json_is_container(Json *json)
{
  bool in_object[JSON_MAX_DEPTH];
  size_t depth = 0;
  bool value = true; /* one has to follow; else a comma or a bracket that closes */
  for (;;) {
    json_space(json);
    if (value && (json_next_is(json, '{') || json_next_is(json, '['))) {
      const bool object = *json->at++ == '{';
      if (depth == JSON_MAX_DEPTH) return false;
      in_object[depth++] = object;
      json_space(json);
      value = !json_next_is(json, object ? '}' : ']');
      if (value && object && !json_key(json)) return false;
    } else if (value) {
      if (!depth || !json_scalar(json)) return false;
      value = false;
    } else if (json_next_is(json, ',')) {
      json->at++;
      if (in_object[depth - 1] && !json_key(json)) return false;
      value = true;
    } else {
      if (!json_next_is(json, in_object[depth - 1] ? '}' : ']')) return false;
      json->at++;
      if (--depth == 0) break;
    }
  }
  json_space(json);
  return json->at == json->end;
}

#endif
