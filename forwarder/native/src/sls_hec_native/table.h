/* Memory that grows, and texts that are found by their hash. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint8_t *at;
  size_t length;
  size_t capacity;
} Buffer;

/* Room for `more` bytes after `length`; false if there is no memory, and then nothing has changed. */
static inline bool buffer_reserve(Buffer *buffer, size_t more)
{
  if (more <= buffer->capacity - buffer->length) return true;
  if (more > PTRDIFF_MAX - buffer->length) return false;
  size_t capacity = buffer->length + more;
  /* Half as much again: what is never written to takes no memory. */
  if (capacity < buffer->capacity + buffer->capacity / 2) capacity = buffer->capacity + buffer->capacity / 2;
  if (capacity > PTRDIFF_MAX) return false;
  uint8_t *at = realloc(buffer->at, capacity);
  if (!at) return false;
  buffer->at = at;
  buffer->capacity = capacity;
  return true;
}

static inline uint64_t sip_rotate(uint64_t value, unsigned by) { return value << by | value >> (64 - by); }

static inline void sip_round(uint64_t v[4])
{
  v[0] += v[1];
  v[2] += v[3];
  v[1] = sip_rotate(v[1], 13) ^ v[0];
  v[3] = sip_rotate(v[3], 16) ^ v[2];
  v[0] = sip_rotate(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = sip_rotate(v[1], 17) ^ v[2];
  v[3] = sip_rotate(v[3], 21) ^ v[0];
  v[2] = sip_rotate(v[2], 32);
}

/* SipHash-1-3 (https://www.aumasson.jp/siphash/siphash.pdf); words as this machine has them. */
static inline uint64_t sip_hash(const uint64_t key[2], const uint8_t *at, size_t length)
{
  uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
      key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
  uint64_t word;
  size_t left = length;
  for (; left >= 8; at += 8, left -= 8) {
    memcpy(&word, at, 8);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
  }
  word = (uint64_t)length << 56;
  for (size_t each = 0; each < left; each++) word |= (uint64_t)at[each] << 8 * each;
  v[3] ^= word;
  sip_round(v);
  v[0] ^= word;
  v[2] ^= 0xFF;
  for (int each = 0; each < 3; each++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* What every entry begins with. */
typedef struct {
  uint64_t hash;
  const uint8_t *text;
  size_t length;
  uint32_t slot;
} Entry;

/* Entries of `size` bytes in the order of their coming. Adding may move them: they are known by number. */
typedef struct {
  uint8_t *entries;
  size_t size;
  uint32_t count;
  uint32_t capacity;
  uint32_t *slots; /* number of an entry + 1; at least twice as many as entries, a power of 2 */
  uint32_t slot_count;
} Table;

static inline Entry *table_entry(const Table *table, uint32_t number)
{
  return (Entry *)(void *)(table->entries + (size_t)number * table->size);
}

static inline uint32_t table_number(const Table *table, const Entry *entry)
{
  return (uint32_t)((size_t)((const uint8_t *)(const void *)entry - table->entries) / table->size);
}

static inline void table_free(Table *table)
{
  free(table->entries);
  free(table->slots);
}

static inline Entry *table_find(const Table *table, uint64_t hash, const uint8_t *text, size_t length)
{
  if (!table->count) return NULL;
  const uint32_t mask = table->slot_count - 1;
  for (uint32_t slot = (uint32_t)hash & mask; table->slots[slot]; slot = (slot + 1) & mask) {
    Entry *entry = table_entry(table, table->slots[slot] - 1);
    if (entry->hash == hash && entry->length == length && (!length || memcmp(entry->text, text, length) == 0))
      return entry;
  }
  return NULL;
}

static inline void table_place(Table *table, uint32_t number)
{
  Entry *entry = table_entry(table, number);
  const uint32_t mask = table->slot_count - 1;
  uint32_t slot = (uint32_t)entry->hash & mask;
  while (table->slots[slot]) slot = (slot + 1) & mask;
  table->slots[slot] = number + 1;
  entry->slot = slot;
}

static inline bool table_grow(Table *table)
{
  const uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
  if (capacity > UINT32_MAX / 4 || capacity > SIZE_MAX / table->size) return false;
  uint8_t *entries = realloc(table->entries, (size_t)capacity * table->size);
  if (!entries) return false;
  table->entries = entries;
  uint32_t *slots = calloc((size_t)capacity * 2, sizeof *slots);
  if (!slots) return false;
  free(table->slots);
  table->slots = slots;
  table->slot_count = capacity * 2;
  table->capacity = capacity;
  for (uint32_t each = 0; each < table->count; each++) table_place(table, each);
  return true;
}

/* A new entry, all else of it 0; NULL if there is no memory. `text` has to stay where it is. */
static inline Entry *table_add(Table *table, uint64_t hash, const uint8_t *text, size_t length)
{
  if (table->count == table->capacity && !table_grow(table)) return NULL;
  Entry *entry = table_entry(table, table->count);
  memset(entry, 0, table->size);
  entry->hash = hash;
  entry->text = text;
  entry->length = length;
  table_place(table, table->count++);
  return entry;
}

/* Forgets all but the first `count` entries. The latest leave first, so nothing is sought beyond a gap. */
static inline void table_truncate(Table *table, uint32_t count)
{
  while (table->count > count) table->slots[table_entry(table, --table->count)->slot] = 0;
}

#endif
