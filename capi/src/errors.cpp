#include <new>
#include <string_view>

#include "guarded.h"

#define BRAID_TEXT_(x) #x
#define BRAID_TEXT(x) BRAID_TEXT_(x)
// The header and the build speak of one version.
static_assert(std::string_view(BRAID_VERSION_TEXT) ==
              BRAID_TEXT(BRAID_VERSION_MAJOR) "." BRAID_TEXT(BRAID_VERSION_MINOR) "." BRAID_TEXT(
                  BRAID_VERSION_PATCH));

namespace braid::capi {
namespace {

braid_error::Item item(const Diagnostic& d) {
  return {d.code,      d.message,    d.helps, d.mark.source ? d.mark.source->name : "",
          d.mark.line, d.mark.column};
}

void fill(braid_error** error, std::string text, std::vector<braid_error::Item> items) {
  if (error) *error = new braid_error{std::move(text), std::move(items)};
}

}  // namespace

// Without memory for the error there is none, and the status says enough.
int report(braid_error** error) noexcept try {
  try {
    throw;
  } catch (const Error& e) {
    std::vector<braid_error::Item> items;
    for (auto& d : e.diagnostics()) items.push_back(item(d));
    fill(error, e.what(), std::move(items));
    return int(e.fault());
  } catch (const std::bad_alloc&) {
    fill(error, "memory ran out", {{"E0401", "memory ran out", "", "", 0, 0}});
    return BRAID_RUN;
  } catch (const std::exception& e) {
    fill(error, e.what(), {{"", e.what(), "", "", 0, 0}});
    return BRAID_BUG;
  }
} catch (...) {
  return BRAID_BUG;
}

void require(const void* pointer, const char* name) {
  if (!pointer) throw Error(Fault::usage, "E0304", std::string("'") + name + "' is NULL");
}

}  // namespace braid::capi

namespace {

const braid_error::Item* item(const braid_error* error, int i) {
  return error && i >= 0 && size_t(i) < error->items.size() ? &error->items[size_t(i)] : nullptr;
}

}  // namespace

const char* braid_version(void) { return BRAID_VERSION_TEXT; }
int braid_version_number(void) { return BRAID_VERSION; }

const char* braid_error_text(const braid_error* error) { return error ? error->text.c_str() : ""; }
int braid_error_count(const braid_error* error) { return error ? int(error->items.size()) : 0; }
const char* braid_error_code(const braid_error* error, int i) {
  auto* d = item(error, i);
  return d ? d->code.c_str() : "";
}
const char* braid_error_message(const braid_error* error, int i) {
  auto* d = item(error, i);
  return d ? d->message.c_str() : "";
}
const char* braid_error_help(const braid_error* error, int i) {
  auto* d = item(error, i);
  return d ? d->help.c_str() : "";
}
const char* braid_error_file(const braid_error* error, int i) {
  auto* d = item(error, i);
  return d ? d->file.c_str() : "";
}
int braid_error_line(const braid_error* error, int i) {
  auto* d = item(error, i);
  return d ? d->line : 0;
}
int braid_error_column(const braid_error* error, int i) {
  auto* d = item(error, i);
  return d ? d->column : 0;
}
void braid_error_free(braid_error* error) { delete error; }
