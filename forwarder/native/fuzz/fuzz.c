/* Pulls, changed at random: `fuzz SECONDS SEED FILE...`. Built with the sanitizers, which end it at the first read or
 * write that is out of place, at a leak and at undefined behaviour. Every pull lies in memory of exactly its size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sls_hec_encode.h"

#define TEXT(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const sls_pattern everything = {{(const uint8_t *)"", 0}, 1};
static const sls_pattern some[] = {{TEXT("audit"), 1}, {TEXT(""), 0}};
static const sls_envelope envelopes[] = {
    {{TEXT("audit"), 1}, TEXT("__tag__:host"), TEXT("\"index\":\"main\",")},
    {{TEXT(""), 1}, TEXT("__source__"), TEXT("\"source\":\"s\",")},
};
static const sls_unfold unfold[] = {
    {{TEXT(""), 1}, TEXT("event")}, {{TEXT("audit_log"), 0}, TEXT("a")}, {{TEXT(""), 1}, TEXT("b")}};

static uint64_t state;

static uint64_t any(uint64_t below)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return below ? state % below : 0;
}

static void *room(size_t size)
{
  void *at = malloc(size ? size : 1);
  if (!at) abort();
  return at;
}

/* `data` with some bytes changed, lost or repeated; the caller frees it. */
static uint8_t *changed(const uint8_t *data, size_t *length)
{
  const size_t at = any(*length + 1), size = any(*length - at + 1) % 40, times = any(3);
  uint8_t *out = room(at + size * times + (*length - at - size));
  memcpy(out, data, at);
  for (size_t each = 0; each < times; each++) memcpy(out + at + each * size, data + at, size);
  memcpy(out + at + times * size, data + at + size, *length - at - size);
  *length = *length - size + times * size;
  for (uint64_t each = any(4); each && *length; each--) out[any(*length)] = (uint8_t)any(256);
  return out;
}

static void encode(const uint8_t *data, size_t length)
{
  const int rules_of = (int)any(3);
  const sls_rules rules = {some, rules_of == 1 ? COUNT(some) : 0, some, rules_of == 2 ? 1 : 0,
      rules_of ? envelopes : envelopes + 1, rules_of ? 2 : 1, unfold, rules_of < 2 ? COUNT(unfold) : 0,
      {any(0), any(UINT64_MAX)}};
  const sls_bytes identity = TEXT(",\"fields\":{\"sls_id\":\"7|");
  const sls_pull pull = {
      {data, length}, any(2) ? identity : everything.text, UINT64_MAX / 2 - any(9), any(2) ? 300 : any(1 << 20)};
  sls_result result;
  const int32_t status = sls_encode(&rules, &pull, &result);
  if (status == SLS_CORRUPT && result.offset > length) abort();
  if (status == SLS_NO_MEMORY) abort();
  for (size_t each = 0; each < result.chunk_count; each++) {
    const sls_chunk *chunk = &result.chunks[each];
    size_t events = 1;
    for (size_t at = 0; at < chunk->length; at++) events += result.bytes[chunk->start + at] == '\n';
    if (events != chunk->events || (events > 1 && chunk->length > pull.max_bytes)) abort();
  }
  sls_free(&result);
}

static uint8_t *file(const char *path, size_t *length)
{
  FILE *from = fopen(path, "rb");
  if (!from || fseek(from, 0, SEEK_END) != 0) abort();
  const long size = ftell(from);
  if (size < 0) abort();
  rewind(from);
  *length = (size_t)size;
  uint8_t *data = room(*length);
  if (fread(data, 1, *length, from) != *length) abort();
  fclose(from);
  return data;
}

int main(int count, char **arguments)
{
  if (count < 4) return 2;
  const time_t ends = time(NULL) + atol(arguments[1]);
  state = strtoull(arguments[2], NULL, 10) * 2 + 1;
  unsigned long pulls = 0;
  do {
    size_t length;
    uint8_t *data = file(arguments[3 + any((uint64_t)count - 3)], &length);
    for (int each = 0; each < 200; each++, pulls++) {
      size_t size = length;
      uint8_t *pull = changed(data, &size);
      encode(pull, size);
      if (any(4)) { /* what was changed is changed again */
        free(data);
        data = pull;
        length = size;
      } else {
        free(pull);
      }
    }
    free(data);
  } while (time(NULL) < ends);
  printf("%lu pulls\n", pulls);
  return 0;
}
