/* Pulls of SLS as bodies of HEC requests: the native counterpart of sls_hec_forwarder/wire/encoder.py.
 *
 * What is below the line is read by cffi, too: declarations only, no preprocessor.
 */
#ifndef SLS_HEC_ENCODE_H
#define SLS_HEC_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* -- */

/* Which interface this is: raised with every change of what is declared here. */
enum { SLS_INTERFACE = 1 };
int32_t sls_interface(void);

/* Longest pull (bytes): what it can become at worst is still a size on every machine. */
enum { SLS_LONGEST = 134217728 };

enum { SLS_ENCODED = 0, SLS_CORRUPT = 1, SLS_NO_MEMORY = 2 };

enum {
  SLS_REASON_LENGTH = 0,
  SLS_REASON_VARINT = 1,
  SLS_REASON_TAG = 2,
  SLS_REASON_WIRE_TYPE = 3,
  SLS_REASON_FIXED = 4,
  SLS_REASON_DEPTH = 5,
  SLS_REASON_GROUP_END = 6
};

/* Bytes that belong to the caller. */
typedef struct {
  const uint8_t *at;
  size_t length;
} sls_bytes;

/* A topic, or, where `prefix` is not 0, what topics begin with. */
typedef struct {
  sls_bytes text;
  int32_t prefix;
} sls_pattern;

/* Envelope keys of the topics that match: those that are the same for all logs, each with its comma, and
 * the name of the member of `event` whose value is the host (empty: `keys` has it). */
typedef struct {
  sls_pattern topic;
  sls_bytes host;
  sls_bytes keys;
} sls_envelope;

/* A field that is sent as JSON where it is JSON. */
typedef struct {
  sls_pattern topic;
  sls_bytes field;
} sls_unfold;

/* `envelopes`: the first that matches counts; the last one has to match everything. */
typedef struct {
  const sls_pattern *include;
  size_t include_count;
  const sls_pattern *exclude;
  size_t exclude_count;
  const sls_envelope *envelopes;
  size_t envelope_count;
  const sls_unfold *unfold;
  size_t unfold_count;
  uint64_t hash_key[2]; /* random, so that no writer of logs can choose names that collide */
} sls_rules;

/* One pull. `identity` is what stands before the cursor in an envelope; empty: no identity. */
typedef struct {
  sls_bytes data;
  sls_bytes identity;
  uint64_t first_cursor;
  uint64_t max_bytes;
} sls_pull;

/* A body: `length` bytes at `start` of the result's bytes. */
typedef struct {
  size_t start;
  size_t length;
  size_t events;
} sls_chunk;

/* Logs that were not read for their topic, which stands as it came. */
typedef struct {
  sls_bytes topic;
  uint64_t logs;
} sls_filtered;

/* What was made of a pull. After SLS_CORRUPT it has only the last four. */
typedef struct {
  uint8_t *bytes;
  sls_chunk *chunks;
  size_t chunk_count;
  sls_filtered *filtered;
  size_t filtered_count;
  uint64_t groups;
  uint64_t repaired;
  int32_t reason; /* one of SLS_REASON_... */
  size_t offset;
  uint64_t number; /* the length or the wire type that is wrong */
  uint64_t left;   /* bytes that are left */
} sls_result;

/* Encodes a pull: one of SLS_ENCODED, SLS_CORRUPT, SLS_NO_MEMORY. Keeps nothing; threads may call it at once.
 * Whatever it answers, the result has to be freed. */
int32_t sls_encode(const sls_rules *rules, const sls_pull *pull, sls_result *result);
void sls_free(sls_result *result);

/* -- */

#endif
