/* One pass over a pull. Everything that is said of wire/encoder.py and wire/events.py holds here, byte by byte; a log is
 * read by `usual`, and, where that gives up, again by `exact`, as there.
 *
 * Nothing is allocated for a log: what is written goes to buffers of the call, which have room for the worst that a
 * log of this size can become before it is read.
 */
#include "sls_hec_encode.h"

#include <string.h>

#include "json.h"
#include "table.h"
#include "text.h"
#include "wire.h"

#if defined(__GNUC__)
#define EXPORTED __attribute__((visibility("default")))
#else
#define EXPORTED
#endif

enum { LOG_GROUPS = 1 << 3 | WIRE_BYTES };
enum { LOGS = 1 << 3 | WIRE_BYTES, TOPIC = 3 << 3 | WIRE_BYTES, SOURCE = 4 << 3 | WIRE_BYTES,
       LOG_TAGS = 6 << 3 | WIRE_BYTES };
enum { TIME = 1 << 3 | WIRE_VARINT, CONTENTS = 2 << 3 | WIRE_BYTES, TIME_NS = 4 << 3 | WIRE_FIXED32 };
enum { KEY = 1 << 3 | WIRE_BYTES, VALUE = 2 << 3 | WIRE_BYTES };

/* A byte of a log becomes at most six; what is around them has at most so many. */
enum { WORST = 6, AROUND = 128 };
/* Names that are remembered, and the longest (bytes): its length is one byte on the wire. */
enum { MOST_NAMES = 4096, LONGEST_NAME = 127 };
enum { DIGITS = 20 };

static const uint8_t topic_name[] = "__topic__", source_name[] = "__source__", tag_prefix[] = "__tag__:";
#define LENGTH(text) (sizeof(text) - 1)

/* A topic that was met; its text is as it came. */
typedef struct {
  Entry entry;
  size_t name; /* in `texts`, if it had to be repaired */
  size_t name_length;
  bool repaired;
  bool passes;
  const sls_envelope *envelope;
  uint64_t filtered;
} Topic;

/* A field name that `usual` knows. */
typedef struct {
  Entry entry;
  size_t text; /* in `texts`: a comma, the name in quotes, a colon and the quote that begins a value */
  size_t text_length;
  uint64_t log;      /* number of the last log that had it */
  uint32_t follower; /* number + 1 of the name that came after it last time */
  uint32_t asked;    /* number + 1 of the topic that `unfolds` is of */
  bool unfolds;
  bool special; /* may share its name with another field of the event */
} Name;

/* A member of `event`; `field` is its name as it came, where it may be unfolded. */
typedef struct {
  Entry entry;
  sls_bytes value;
  sls_bytes field;
} Member;

typedef struct {
  const sls_rules *rules;
  const sls_pull *pull;
  const uint8_t *data;
  const uint8_t *readable; /* end of the data */
  Fault fault;
  bool no_memory;

  Buffer out;
  Buffer chunks; /* sls_chunk */
  sls_chunk chunk;
  size_t event; /* where the event begins that is being written */
  uint64_t groups;
  uint64_t repaired;

  Buffer texts;
  Table topics;
  uint32_t topic; /* number of the group's */
  Table names;
  uint64_t log;
  uint32_t first; /* number + 1 of the name that began the last log */

  /* Of the group. */
  Buffer head; /* the envelope up to the last of the group's members */
  size_t opening; /* of it: up to the brace that opens `event` */
  Buffer identity;
  Buffer tag_names;
  Table members;
  uint32_t shared; /* of them, the group's */
  Buffer values; /* sls_bytes: the group's values, for an event may have others */
  Buffer repaired_names;

  int64_t seconds;
  uint8_t time[DIGITS + 16];
  size_t time_length;
} Call;

static bool out_of_memory(Call *call)
{
  call->no_memory = true;
  return false;
}

static bool reserve(Call *call, Buffer *buffer, size_t more)
{
  return buffer_reserve(buffer, more) || out_of_memory(call);
}

static uint8_t *put(uint8_t *out, const void *at, size_t length)
{
  if (length) memcpy(out, at, length);
  return out + length;
}

static uint8_t *put_number(uint8_t *out, uint64_t number)
{
  uint8_t digits[DIGITS];
  size_t at = DIGITS;
  do {
    digits[--at] = (uint8_t)('0' + number % 10);
  } while (number /= 10);
  return put(out, digits + at, DIGITS - at);
}

static bool begins(const uint8_t *at, size_t length, const uint8_t *with, size_t with_length)
{
  return length >= with_length && memcmp(at, with, with_length) == 0;
}

static bool same(sls_bytes one, sls_bytes other)
{
  return one.length == other.length && (!one.length || memcmp(one.at, other.at, one.length) == 0);
}

static bool valid(sls_bytes text) { return text_valid(text.at, text.at + text.length); }

static uint8_t *put_escaped(uint8_t *out, sls_bytes text, const uint8_t *readable)
{
  bool repaired = false; /* counted where the text was met */
  return text_escape(out, text.at, text.at + text.length, readable, &repaired);
}

/* -- rules ------------------------------------------------------------------------------------------------ */

static bool matches(const sls_pattern *pattern, sls_bytes topic)
{
  if (pattern->prefix)
    return !pattern->text.length || begins(topic.at, topic.length, pattern->text.at, pattern->text.length);
  return same(pattern->text, topic);
}

static bool any_matches(const sls_pattern *patterns, size_t count, sls_bytes topic)
{
  for (size_t each = 0; each < count; each++)
    if (matches(&patterns[each], topic)) return true;
  return false;
}

static Topic *topic_of_group(const Call *call) { return (Topic *)(void *)table_entry(&call->topics, call->topic); }

static sls_bytes name_of(const Call *call, const Topic *topic)
{
  const sls_bytes raw = {topic->entry.text, topic->entry.length};
  const sls_bytes repaired = {call->texts.at + topic->name, topic->name_length};
  return topic->repaired ? repaired : raw;
}

/* Whether the group's topic has this field sent as JSON. */
static bool unfolds(const Call *call, sls_bytes field)
{
  const sls_rules *rules = call->rules;
  for (size_t each = 0; each < rules->unfold_count; each++)
    if (same(rules->unfold[each].field, field) &&
        matches(&rules->unfold[each].topic, name_of(call, topic_of_group(call))))
      return true;
  return false;
}

static bool meet_topic(Call *call, sls_bytes raw)
{
  const sls_rules *rules = call->rules;
  if (call->topics.count) { /* mostly the same as before */
    const Topic *before = topic_of_group(call);
    const sls_bytes text = {before->entry.text, before->entry.length};
    if (same(text, raw)) return true;
  }
  const uint64_t hash = sip_hash(rules->hash_key, raw.at, raw.length);
  Topic *topic = (Topic *)(void *)table_find(&call->topics, hash, raw.at, raw.length);
  if (!topic) {
    const bool repaired = !valid(raw);
    const size_t at = call->texts.length;
    if (repaired) {
      if (!reserve(call, &call->texts, 3 * raw.length + TEXT_SLACK)) return false;
      call->texts.length =
          (size_t)(text_repair(call->texts.at + at, raw.at, raw.at + raw.length) - call->texts.at);
    }
    topic = (Topic *)(void *)table_add(&call->topics, hash, raw.at, raw.length);
    if (!topic) return out_of_memory(call);
    topic->repaired = repaired;
    topic->name = at;
    topic->name_length = call->texts.length - at;
    const sls_bytes name = name_of(call, topic);
    topic->passes = (!rules->include_count || any_matches(rules->include, rules->include_count, name)) &&
                    !any_matches(rules->exclude, rules->exclude_count, name);
    topic->envelope = rules->envelopes;
    while (!matches(&topic->envelope->topic, name)) topic->envelope++;
  }
  call->topic = table_number(&call->topics, &topic->entry);
  return true;
}

/* -- bodies ----------------------------------------------------------------------------------------------- */

static bool push_chunk(Call *call)
{
  if (!reserve(call, &call->chunks, sizeof(sls_chunk))) return false;
  memcpy(call->chunks.at + call->chunks.length, &call->chunk, sizeof(sls_chunk));
  call->chunks.length += sizeof(sls_chunk);
  return true;
}

/* Where the next event is written, with room for the worst that `size` bytes of a log can become. */
static uint8_t *begin_event(Call *call, size_t size)
{
  if (size > SLS_LONGEST || !reserve(call, &call->out,
          WORST * size + call->head.length + call->identity.length + AROUND + TEXT_SLACK)) {
    out_of_memory(call);
    return NULL;
  }
  call->event = call->out.length;
  if (call->chunk.events) call->out.at[call->event++] = '\n';
  return call->out.at + call->event;
}

static bool end_event(Call *call, const uint8_t *out)
{
  sls_chunk *chunk = &call->chunk;
  const size_t length = (size_t)(out - call->out.at) - call->event;
  call->out.length = call->event + length;
  if (chunk->events && chunk->length + 1 + length > call->pull->max_bytes) {
    if (!push_chunk(call)) return false;
    chunk->events = 0;
  }
  if (!chunk->events) {
    chunk->start = call->event;
    chunk->length = length;
  } else {
    chunk->length += 1 + length;
  }
  chunk->events++;
  return true;
}

/* From the brace that closes `event`. */
static uint8_t *put_ending(Call *call, uint8_t *out, int64_t seconds, uint32_t nanos, uint64_t index)
{
  if (seconds < 0) {
    *out++ = '}';
  } else {
    if (seconds != call->seconds) {
      call->seconds = seconds;
      uint8_t *time = put(call->time, "},\"time\":", 9);
      call->time_length = (size_t)(put_number(time, (uint64_t)seconds) - call->time);
    }
    out = put(out, call->time, call->time_length);
    if (nanos > 0 && nanos < 1000000000) {
      *out++ = '.';
      for (uint32_t unit = 100000000; unit; unit /= 10) *out++ = (uint8_t)('0' + nanos / unit % 10);
    }
  }
  if (call->identity.length) {
    out = put(out, call->identity.at, call->identity.length);
    out = put_number(out, index);
    out = put(out, "\"}", 2);
  }
  *out++ = '}';
  return out;
}

/* -- a log ------------------------------------------------------------------------------------------------ */

typedef enum { DONE, GIVES_UP, FAILS } Outcome;

static Name *name_at(const Call *call, uint32_t number)
{
  return (Name *)(void *)table_entry(&call->names, number);
}

/* The name at `raw`; NULL and not `no_memory` if it is one too many. */
static Name *learn(Call *call, sls_bytes raw)
{
  const uint64_t hash = sip_hash(call->rules->hash_key, raw.at, raw.length);
  Name *name = (Name *)(void *)table_find(&call->names, hash, raw.at, raw.length);
  if (name || call->names.count == MOST_NAMES) return name;
  if (!reserve(call, &call->texts, WORST * raw.length + AROUND + TEXT_SLACK)) return NULL;
  name = (Name *)(void *)table_add(&call->names, hash, raw.at, raw.length);
  if (!name) {
    out_of_memory(call);
    return NULL;
  }
  bool repaired = false;
  uint8_t *begin = call->texts.at + call->texts.length;
  uint8_t *end = put(begin, ",\"", 2);
  end = text_escape(end, raw.at, raw.at + raw.length, call->readable, &repaired);
  end = put(end, "\":\"", 3);
  name->text = call->texts.length;
  name->text_length = (size_t)(end - begin);
  call->texts.length += name->text_length;
  name->special = repaired || begins(raw.at, raw.length, topic_name, LENGTH(topic_name)) ||
                  begins(raw.at, raw.length, source_name, LENGTH(source_name)) ||
                  begins(raw.at, raw.length, tag_prefix, LENGTH(tag_prefix));
  return name;
}

static uint8_t *put_json(uint8_t *out, sls_bytes text, bool breaks)
{
  uint8_t *end = put(out, text.at, text.length);
  if (breaks)
    for (uint8_t *each = out; each < end; each++)
      if (*each == '\n' || *each == '\r') *each = ' ';
  return end;
}

/* The name at `*at` of a content that ends at `stop`, which stands before its value; `*at` is at the value's length. */
static Name *usual_name(Call *call, uint32_t *expected, size_t *at, size_t stop)
{
  const uint8_t *wire = call->data + *at;
  const size_t left = stop - *at;
  if (left < 3 || wire[0] != KEY) return NULL;
  const size_t length = wire[1];
  if (length > LONGEST_NAME || left < length + 3 || wire[length + 2] != VALUE) return NULL;
  const sls_bytes raw = {wire + 2, length};
  Name *name = *expected ? name_at(call, *expected - 1) : NULL;
  if (!name || name->entry.length != length || memcmp(name->entry.text, raw.at, length) != 0) {
    name = learn(call, raw);
    if (!name) return NULL;
    *expected = table_number(&call->names, &name->entry) + 1;
  }
  *at += length + 3;
  return name;
}

static Outcome usual(Call *call, size_t at, size_t end, uint64_t index)
{
  const uint8_t *data = call->data;
  const uint64_t log = ++call->log;
  int64_t seconds = -1;
  uint32_t nanos = 0;
  uint64_t repairs = 0, size;
  uint32_t previous = 0;
  Fault ignored;
  uint8_t *out = begin_event(call, end - at);
  if (!out) return FAILS;
  out = put(out, call->head.at, call->head.length);
  while (at < end) {
    const uint8_t tag = data[at++];
    if (tag == CONTENTS) {
      if (!wire_varint(data, &at, end, &size, &ignored) || size > end - at) return GIVES_UP;
      const size_t stop = at + (size_t)size;
      const uint32_t expected = previous ? name_at(call, previous - 1)->follower : call->first;
      uint32_t found = expected;
      Name *name = usual_name(call, &found, &at, stop);
      if (!name) return call->no_memory ? FAILS : GIVES_UP;
      if (found != expected) {
        /* Sought anew, for learning may have moved the names. */
        if (previous)
          name_at(call, previous - 1)->follower = found;
        else
          call->first = found;
      }
      previous = found;
      if (name->special || name->log == log) return GIVES_UP;
      name->log = log;
      if (!wire_varint(data, &at, stop, &size, &ignored) || size != stop - at) return GIVES_UP;
      out = put(out, call->texts.at + name->text, name->text_length);
      const sls_bytes value = {data + at, (size_t)size};
      at = stop;
      if (call->rules->unfold_count) {
        if (name->asked != call->topic + 1) {
          const sls_bytes field = {name->entry.text, name->entry.length};
          name->unfolds = unfolds(call, field);
          name->asked = call->topic + 1;
        }
        Json json = {value.at, value.at + value.length, call->readable, false};
        if (name->unfolds && json_is_container(&json)) {
          out = put_json(out - 1, value, json.breaks);
          continue;
        }
      }
      bool repaired = false;
      out = text_escape(out, value.at, value.at + value.length, call->readable, &repaired);
      *out++ = '"';
      repairs += repaired;
    } else if (tag == TIME) {
      if (!wire_varint(data, &at, end, &size, &ignored)) return GIVES_UP;
      seconds = (int64_t)(size & UINT32_MAX);
    } else if (tag == TIME_NS) {
      if (end - at < 4) return GIVES_UP;
      nanos = (uint32_t)data[at] | (uint32_t)data[at + 1] << 8 | (uint32_t)data[at + 2] << 16 |
              (uint32_t)data[at + 3] << 24;
      at += 4;
    } else {
      return GIVES_UP;
    }
  }
  call->repaired += repairs;
  return end_event(call, put_ending(call, out, seconds, nanos, index)) ? DONE : FAILS;
}

/* Key and value of a pair, which may have neither. */
static bool read_pair(Call *call, size_t at, size_t end, uint32_t depth, sls_bytes *key, sls_bytes *value)
{
  Walk walk = {at, end, depth};
  Field field;
  int more;
  key->at = value->at = call->data + at;
  key->length = value->length = 0;
  while ((more = wire_next(call->data, &walk, &field, &call->fault)) > 0) {
    sls_bytes *part = field.tag == KEY ? key : field.tag == VALUE ? value : NULL;
    if (part) {
      part->at = call->data + field.start;
      part->length = field.stop - field.start;
    }
  }
  return more == 0;
}

/* The member of that name, which is valid UTF-8 and stays where it is; NULL if there is no memory. */
static Member *member_of(Call *call, const uint8_t *at, size_t length)
{
  const uint64_t hash = sip_hash(call->rules->hash_key, at, length);
  Entry *entry = table_find(&call->members, hash, at, length);
  if (!entry) entry = table_add(&call->members, hash, at, length);
  if (!entry) out_of_memory(call);
  return (Member *)(void *)entry;
}

/* `,"name":"value"`, or the value unfolded. */
static uint8_t *put_member(Call *call, uint8_t *out, const Member *member)
{
  const sls_bytes name = {member->entry.text, member->entry.length};
  out = put(out, ",\"", 2);
  out = put_escaped(out, name, name.at + name.length);
  out = put(out, "\":", 2);
  Json json = {member->value.at, member->value.at + member->value.length, call->readable, false};
  if (member->field.at && unfolds(call, member->field) && json_is_container(&json))
    return put_json(out, member->value, json.breaks);
  *out++ = '"';
  out = put_escaped(out, member->value, call->readable);
  *out++ = '"';
  return out;
}

static bool exact(Call *call, size_t at, size_t end, uint64_t index)
{
  const uint8_t *data = call->data;
  Walk walk = {at, end, 2};
  Field field;
  int64_t seconds = -1;
  uint32_t nanos = 0;
  int more;

  table_truncate(&call->members, call->shared);
  for (uint32_t each = 0; each < call->shared; each++) {
    Member *member = (Member *)(void *)table_entry(&call->members, each);
    memcpy(&member->value, call->values.at + each * sizeof(sls_bytes), sizeof(sls_bytes));
    member->field.at = NULL;
  }
  call->repaired_names.length = 0;
  if (!reserve(call, &call->repaired_names, 3 * (end - at) + TEXT_SLACK)) return false;

  while ((more = wire_next(data, &walk, &field, &call->fault)) > 0) {
    if (field.tag == CONTENTS) {
      sls_bytes key, value;
      if (!read_pair(call, field.start, field.stop, 3, &key, &value)) return false;
      sls_bytes name = key;
      if (!valid(key)) {
        call->repaired++;
        uint8_t *begin = call->repaired_names.at + call->repaired_names.length;
        name.at = begin;
        name.length = (size_t)(text_repair(begin, key.at, key.at + key.length) - begin);
        call->repaired_names.length += name.length;
      }
      call->repaired += !valid(value);
      Member *member = member_of(call, name.at, name.length);
      if (!member) return false;
      member->value = value;
      member->field = key;
    } else if (field.tag == TIME) {
      seconds = (int64_t)(field.value & UINT32_MAX);
    } else if (field.tag == TIME_NS) {
      nanos = 0;
      for (unsigned each = 0; each < 4; each++) nanos |= (uint32_t)data[field.start + each] << 8 * each;
    }
  }
  if (more < 0) return false;

  uint8_t *out = begin_event(call, end - at);
  if (!out) return false;
  out = put(out, call->head.at, call->opening);
  for (uint32_t each = 0; each < call->members.count; each++) {
    uint8_t *begin = out;
    out = put_member(call, out, (const Member *)(void *)table_entry(&call->members, each));
    if (!each) memmove(begin, begin + 1, (size_t)(--out - begin)); /* without its comma */
  }
  return end_event(call, put_ending(call, out, seconds, nanos, index));
}

/* -- a log group ------------------------------------------------------------------------------------------ */

typedef struct {
  sls_bytes topic;
  sls_bytes source;
  uint64_t logs;
  size_t tags;      /* how many */
  size_t tag_bytes; /* their keys and values */
} Group;

/* Reads all of it but its logs. */
static bool read_group(Call *call, size_t start, size_t end, Group *group)
{
  Walk walk = {start, end, 1};
  Field field;
  int more;
  while ((more = wire_next(call->data, &walk, &field, &call->fault)) > 0) {
    const sls_bytes bytes = {call->data + field.start, field.stop - field.start};
    if (field.tag == LOGS) {
      group->logs++;
    } else if (field.tag == LOG_TAGS) {
      sls_bytes key, value;
      if (!read_pair(call, field.start, field.stop, 2, &key, &value)) return false;
      group->tags++;
      group->tag_bytes += key.length + value.length;
    } else if (field.tag == TOPIC) {
      group->topic = bytes;
    } else if (field.tag == SOURCE) {
      group->source = bytes;
    }
  }
  return more == 0;
}

static bool add_shared(Call *call, const uint8_t *name, size_t length, sls_bytes value)
{
  Member *member = member_of(call, name, length);
  if (!member) return false;
  member->value = value;
  call->repaired += !valid(value);
  return true;
}

/* What the events of the group share. */
static bool frame(Call *call, size_t start, size_t end, const Group *group)
{
  const sls_envelope *envelope = topic_of_group(call)->envelope;
  Walk walk = {start, end, 1};
  Field field;

  table_truncate(&call->members, 0);
  call->tag_names.length = 0;
  if (!reserve(call, &call->tag_names, group->tags * LENGTH(tag_prefix) + 3 * group->tag_bytes + TEXT_SLACK) ||
      !add_shared(call, topic_name, LENGTH(topic_name), group->topic) ||
      !add_shared(call, source_name, LENGTH(source_name), group->source))
    return false;
  while (group->tags && wire_next(call->data, &walk, &field, &call->fault) > 0) {
    if (field.tag != LOG_TAGS) continue;
    sls_bytes key, value;
    if (!read_pair(call, field.start, field.stop, 2, &key, &value)) return false;
    uint8_t *begin = call->tag_names.at + call->tag_names.length;
    uint8_t *stop = put(begin, tag_prefix, LENGTH(tag_prefix));
    stop = text_repair(stop, key.at, key.at + key.length);
    call->tag_names.length += (size_t)(stop - begin);
    call->repaired += !valid(key);
    if (!add_shared(call, begin, (size_t)(stop - begin), value)) return false;
  }
  call->shared = call->members.count;

  const sls_bytes wanted = envelope->host;
  sls_bytes host = {NULL, 0};
  if (wanted.length) {
    const Entry *found = table_find(
        &call->members, sip_hash(call->rules->hash_key, wanted.at, wanted.length), wanted.at, wanted.length);
    if (found) host = ((const Member *)(const void *)found)->value;
  }
  call->head.length = call->values.length = call->identity.length = 0;
  /* The host is one of the values, which so may stand twice. */
  const size_t texts = group->topic.length + group->source.length + group->tag_bytes;
  if (!reserve(call, &call->head, WORST * 2 * texts + envelope->keys.length + group->tags * 16 + AROUND + TEXT_SLACK) ||
      !reserve(call, &call->values, call->shared * sizeof(sls_bytes)) ||
      !reserve(call, &call->identity, call->pull->identity.length + DIGITS + 1))
    return false;
  uint8_t *out = put(call->head.at, "{", 1);
  if (host.length) {
    out = put(out, "\"host\":\"", 8);
    out = put_escaped(out, host, call->readable);
    out = put(out, "\",", 2);
  }
  out = put(out, envelope->keys.at, envelope->keys.length);
  out = put(out, "\"event\":{", 9);
  call->opening = (size_t)(out - call->head.at);
  for (uint32_t each = 0; each < call->shared; each++) {
    const Member *member = (const Member *)(const void *)table_entry(&call->members, each);
    uint8_t *begin = out;
    out = put_member(call, out, member);
    if (!each) memmove(begin, begin + 1, (size_t)(--out - begin));
    memcpy(call->values.at + each * sizeof(sls_bytes), &member->value, sizeof(sls_bytes));
  }
  call->head.length = (size_t)(out - call->head.at);
  if (call->pull->identity.length) {
    out = put(call->identity.at, call->pull->identity.at, call->pull->identity.length);
    out = put_number(out, call->pull->first_cursor + call->groups);
    *out++ = '|';
    call->identity.length = (size_t)(out - call->identity.at);
  }
  return true;
}

static bool add_group(Call *call, size_t start, size_t end)
{
  const sls_bytes nothing = {call->data + start, 0};
  Group group = {nothing, nothing, 0, 0, 0};
  if (!read_group(call, start, end, &group) || !meet_topic(call, group.topic)) return false;
  Topic *topic = topic_of_group(call);
  if (!topic->passes) {
    topic->filtered += group.logs;
  } else {
    if (!frame(call, start, end, &group)) return false;
    Walk walk = {start, end, 1};
    Field field;
    for (uint64_t index = 0; index < group.logs && wire_next(call->data, &walk, &field, &call->fault) > 0;) {
      if (field.tag != LOGS) continue;
      const Outcome outcome = usual(call, field.start, field.stop, index);
      if (outcome == FAILS || (outcome == GIVES_UP && !exact(call, field.start, field.stop, index))) return false;
      index++;
    }
  }
  call->groups++;
  return true;
}

/* -- a pull ----------------------------------------------------------------------------------------------- */

static bool run(Call *call)
{
  Walk walk = {0, call->pull->data.length, 0};
  Field field;
  int more;
  if (walk.end > SLS_LONGEST || !reserve(call, &call->out, walk.end + walk.end / 2 + AROUND))
    return out_of_memory(call);
  while ((more = wire_next(call->data, &walk, &field, &call->fault)) > 0)
    if (field.tag == LOG_GROUPS && !add_group(call, field.start, field.stop)) return false;
  return more == 0 && (!call->chunk.events || push_chunk(call));
}

static bool give(Call *call, sls_result *result)
{
  size_t count = 0;
  for (uint32_t each = 0; each < call->topics.count; each++)
    count += ((const Topic *)(const void *)table_entry(&call->topics, each))->filtered > 0;
  if (count) {
    if (count > SIZE_MAX / sizeof(sls_filtered)) return out_of_memory(call);
    result->filtered = malloc(count * sizeof(sls_filtered));
    if (!result->filtered) return out_of_memory(call);
  }
  for (uint32_t each = 0; each < call->topics.count; each++) {
    const Topic *topic = (const Topic *)(const void *)table_entry(&call->topics, each);
    if (!topic->filtered) continue;
    const sls_filtered filtered = {{topic->entry.text, topic->entry.length}, topic->filtered};
    result->filtered[result->filtered_count++] = filtered;
  }
  result->bytes = call->out.at;
  result->chunks = (sls_chunk *)(void *)call->chunks.at;
  result->chunk_count = call->chunks.length / sizeof(sls_chunk);
  result->groups = call->groups;
  result->repaired = call->repaired;
  call->out.at = call->chunks.at = NULL; /* the result's now */
  return true;
}

EXPORTED int32_t sls_encode(const sls_rules *rules, const sls_pull *pull, sls_result *result)
{
  Call call;
  memset(&call, 0, sizeof call);
  memset(result, 0, sizeof *result);
  call.rules = rules;
  call.pull = pull;
  call.data = pull->data.at;
  call.readable = pull->data.at + pull->data.length;
  call.seconds = -1;
  call.topics.size = sizeof(Topic);
  call.names.size = sizeof(Name);
  call.members.size = sizeof(Member);

  int32_t status = SLS_ENCODED;
  if (!run(&call) || !give(&call, result)) {
    status = call.no_memory ? SLS_NO_MEMORY : SLS_CORRUPT;
    result->reason = call.fault.reason;
    result->offset = call.fault.offset;
    result->number = call.fault.number;
    result->left = call.fault.left;
  }
  table_free(&call.topics);
  table_free(&call.names);
  table_free(&call.members);
  Buffer *const buffers[] = {&call.out, &call.chunks, &call.texts, &call.head, &call.identity, &call.tag_names,
      &call.values, &call.repaired_names};
  for (size_t each = 0; each < sizeof buffers / sizeof *buffers; each++) free(buffers[each]->at);
  return status;
}

EXPORTED int32_t sls_interface(void) { return SLS_INTERFACE; }

EXPORTED void sls_free(sls_result *result)
{
  free(result->bytes);
  free(result->chunks);
  free(result->filtered);
  memset(result, 0, sizeof *result);
}
