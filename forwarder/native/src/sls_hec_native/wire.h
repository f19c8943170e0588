/* Protobuf's wire format, as strict as wire/protobuf.py: the same bytes are refused, at the same place and for the
 * same reason. No function reads at or beyond `end`.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sls_hec_encode.h"

enum { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_GROUP, WIRE_END_GROUP, WIRE_FIXED32 };
enum { WIRE_MAX_DEPTH = 100 };

/* Where the bytes are not what they should be. */
typedef struct {
  int32_t reason;
  size_t offset;
  uint64_t number;
  uint64_t left;
} Fault;

/* A message that is read field by field; it lies `depth` messages deep. */
typedef struct {
  size_t at;
  size_t end;
  uint32_t depth;
} Walk;

/* Bytes of a field; of a varint, `value` instead of `start`. */
typedef struct {
  uint32_t tag;
  size_t start;
  size_t stop;
  uint64_t value;
} Field;

static inline bool wire_fault(Fault *fault, int32_t reason, size_t offset, uint64_t number, uint64_t left)
{
  fault->reason = reason;
  fault->offset = offset;
  fault->number = number;
  fault->left = left;
  return false;
}

/* The varint at `*at`, modulo 2**64; `*at` is after it then. */
static inline bool wire_varint(const uint8_t *data, size_t *at, size_t end, uint64_t *value, Fault *fault)
{
  size_t pos = *at;
  uint64_t found = 0;
  for (unsigned shift = 0; shift < 70 && pos < end; shift += 7) {
    const uint8_t byte = data[pos++];
    found |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *at = pos;
      *value = found;
      return true;
    }
  }
  return wire_fault(fault, SLS_REASON_VARINT, *at, 0, 0);
}

static inline bool wire_tag(const uint8_t *data, size_t *at, size_t end, uint32_t *tag, Fault *fault)
{
  const size_t pos = *at;
  uint64_t value;
  if (!wire_varint(data, at, end, &value, fault)) return false;
  if (value < 8 || value > UINT32_MAX || *at - pos > 5) return wire_fault(fault, SLS_REASON_TAG, pos, 0, 0);
  *tag = (uint32_t)value;
  return true;
}

static inline bool wire_skip_fixed(size_t *at, size_t end, uint32_t kind, Fault *fault)
{
  if (kind != WIRE_FIXED32 && kind != WIRE_FIXED64)
    return wire_fault(fault, SLS_REASON_WIRE_TYPE, *at, kind, 0);
  const size_t size = kind == WIRE_FIXED32 ? 4 : 8;
  if (size > end - *at) return wire_fault(fault, SLS_REASON_FIXED, end, 0, 0);
  *at += size;
  return true;
}

static bool wire_skip_group(
    const uint8_t *data, size_t *at, size_t end, uint32_t number, uint32_t depth, Fault *fault)
{
  uint32_t opened[WIRE_MAX_DEPTH + 1] = {number};
  uint32_t count = 1;
  while (count) {
    if (count + depth > WIRE_MAX_DEPTH) return wire_fault(fault, SLS_REASON_DEPTH, *at, 0, 0);
    uint32_t tag;
    uint64_t value;
    if (!wire_tag(data, at, end, &tag, fault)) return false;
    const uint32_t kind = tag & 7;
    if (kind == WIRE_GROUP) {
      opened[count++] = tag >> 3;
    } else if (kind == WIRE_END_GROUP) {
      if (opened[--count] != tag >> 3) return wire_fault(fault, SLS_REASON_GROUP_END, *at, 0, 0);
    } else if (kind == WIRE_BYTES) {
      if (!wire_varint(data, at, end, &value, fault)) return false;
      if (value > end - *at) return wire_fault(fault, SLS_REASON_LENGTH, *at, value, end - *at);
      *at += (size_t)value;
    } else if (kind == WIRE_VARINT) {
      if (!wire_varint(data, at, end, &value, fault)) return false;
    } else if (!wire_skip_fixed(at, end, kind, fault)) {
      return false;
    }
  }
  return true;
}

/* The next field: 1, at the end of the message 0, at a fault -1. Groups are skipped. */
static inline int wire_next(const uint8_t *data, Walk *walk, Field *field, Fault *fault)
{
  while (walk->at < walk->end) {
    if (!wire_tag(data, &walk->at, walk->end, &field->tag, fault)) return -1;
    const uint32_t kind = field->tag & 7;
    if (kind == WIRE_BYTES) {
      const size_t before = walk->at;
      if (!wire_varint(data, &walk->at, walk->end, &field->value, fault)) return -1;
      const size_t left = walk->end - walk->at;
      if (field->value > left) {
        wire_fault(fault, SLS_REASON_LENGTH, before, field->value, left);
        return -1;
      }
      field->start = walk->at;
      field->stop = walk->at += (size_t)field->value;
      return 1;
    }
    if (kind == WIRE_GROUP) {
      if (!wire_skip_group(data, &walk->at, walk->end, field->tag >> 3, walk->depth, fault)) return -1;
      continue;
    }
    field->start = walk->at;
    if (kind == WIRE_VARINT ? !wire_varint(data, &walk->at, walk->end, &field->value, fault)
                            : !wire_skip_fixed(&walk->at, walk->end, kind, fault))
      return -1;
    field->stop = walk->at;
    return 1;
  }
  return 0;
}

#endif
