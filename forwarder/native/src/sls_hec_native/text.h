/* UTF-8 and JSON strings, as wire/text.py has them. Reads go up to `readable`, the end of the caller's bytes, but
 * nothing at or beyond `end` is looked at; who writes has room for what the functions say, and TEXT_SLACK more.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { TEXT_STEP = 16, TEXT_SLACK = 64 };

static inline bool text_continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* Length of the character at `at`, which is not ASCII. Where there is none: of what an ill-formed sequence has in
 * common with one (Unicode 3.9, "substitution of maximal subparts"), and `*good` is false. */
static inline size_t text_character(const uint8_t *at, const uint8_t *end, bool *good)
{
  const uint8_t lead = *at;
  const size_t left = (size_t)(end - at);
  uint8_t low = 0x80, high = 0xBF;
  size_t size;
  *good = false;
  if (lead < 0xC2 || lead > 0xF4) return 1;
  if (lead < 0xE0) {
    size = 2;
  } else if (lead < 0xF0) {
    size = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else {
    size = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (left < 2 || at[1] < low || at[1] > high) return 1;
  for (size_t have = 2; have < size; have++)
    if (left <= have || !text_continues(at[have])) return have;
  *good = true;
  return size;
}

/* How many of the next bytes need no care in a JSON string: at most TEXT_STEP, and perhaps fewer than there are.
 * Copies them to `out`, with what follows, unless that is NULL. */
static inline size_t text_plain(const uint8_t *at, const uint8_t *end, const uint8_t *readable, uint8_t *out)
{
  const size_t left = (size_t)(end - at);
#ifdef __SSE2__
  if (readable - at >= TEXT_STEP) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    if (out) _mm_storeu_si128((__m128i *)(void *)out, bytes);
    /* As signed numbers, bytes beyond ASCII are less than a space, too. */
    const __m128i care = _mm_or_si128(
        _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    const size_t plain = (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(care) | 1u << TEXT_STEP);
    return plain < left ? plain : left;
  }
#endif
  (void)readable;
  size_t plain = 0;
  for (; plain < left && plain < TEXT_STEP; plain++) {
    const uint8_t byte = at[plain];
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') break;
    if (out) out[plain] = byte;
  }
  return plain;
}

/* An ASCII character that may not stand in a JSON string, as it can. */
static inline uint8_t *text_escaped(uint8_t *out, uint8_t byte)
{
  static const char digits[] = "0123456789abcdef";
  *out++ = '\\';
  switch (byte) {
  case '"':
  case '\\': *out++ = byte; return out;
  case '\b': *out++ = 'b'; return out;
  case '\t': *out++ = 't'; return out;
  case '\n': *out++ = 'n'; return out;
  case '\f': *out++ = 'f'; return out;
  case '\r': *out++ = 'r'; return out;
  default:
    memcpy(out, "u00", 3);
    out[3] = (uint8_t)digits[byte >> 4];
    out[4] = (uint8_t)digits[byte & 15];
    return out + 5;
  }
}

/* Characters beyond ASCII up to the next that is not; U+FFFD for each that is none. At most three bytes for one. */
static inline uint8_t *text_beyond(uint8_t *out, const uint8_t **at, const uint8_t *end, bool *repaired)
{
  const uint8_t *pos = *at;
  while (pos < end && *pos >= 0x80) {
    bool good;
    const size_t size = text_character(pos, end, &good);
    if (good) {
      for (size_t each = 0; each < size; each++) *out++ = pos[each];
    } else {
      memcpy(out, "\xEF\xBF\xBD", 3);
      out += 3;
      *repaired = true;
    }
    pos += size;
  }
  *at = pos;
  return out;
}

/* The inside of a JSON string: at most six bytes for one. Returns where it ends. */
static inline uint8_t *text_escape(
    uint8_t *out, const uint8_t *at, const uint8_t *end, const uint8_t *readable, bool *repaired)
{
  while (at < end) {
    const size_t plain = text_plain(at, end, readable, out);
    at += plain;
    out += plain;
    if (at == end) break;
    if (*at >= 0x80)
      out = text_beyond(out, &at, end, repaired);
    else if (*at < 0x20 || *at == '"' || *at == '\\')
      out = text_escaped(out, *at++);
  }
  return out;
}

/* The same characters, U+FFFD for what is none: at most three bytes for one. Returns where it ends. */
static inline uint8_t *text_repair(uint8_t *out, const uint8_t *at, const uint8_t *end)
{
  bool repaired;
  while (at < end) {
    if (*at < 0x80)
      *out++ = *at++;
    else
      out = text_beyond(out, &at, end, &repaired);
  }
  return out;
}

static inline bool text_valid(const uint8_t *at, const uint8_t *end)
{
  while (at < end) {
    uint64_t word;
    if (end - at >= 8) {
      memcpy(&word, at, 8);
      if (!(word & UINT64_C(0x8080808080808080))) {
        at += 8;
        continue;
      }
    }
    if (*at < 0x80) {
      at++;
    } else {
      bool good;
      at += text_character(at, end, &good);
      if (!good) return false;
    }
  }
  return true;
}

#endif
