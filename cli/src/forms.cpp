#include "forms.h"

#include <algorithm>

#include <braid/compiler/compile.h>
#include <CLI/App.hpp>

#include "codes.h"
#include "network.h"
#include "pages.h"

namespace braid::cli {
namespace {

OptionForm form_of(const CLI::Option& option) {
  OptionForm form{.doc = option.get_description()};
  for (auto& name : option.get_snames()) form.names.push_back("-" + name);
  for (auto& name : option.get_lnames()) form.names.push_back("--" + name);
  form.placeholder =
      option.get_positional() ? option.get_name(true, false) : option.get_option_text();
  form.takes_value = option.get_items_expected_max() > 0;
  form.must_have_value = option.get_items_expected_min() > 0;
  form.many = option.get_items_expected_max() > 1 || option.get_trigger_on_parse();
  return form;
}

CommandForm command_form(const CLI::App& app) {
  CommandForm form{.name = app.get_name(), .doc = app.get_description()};
  for (const auto* option : app.get_options())
    (option->get_positional() ? form.arguments : form.options).push_back(form_of(*option));
  return form;
}

std::vector<std::string> types() {
  std::vector<std::string> names;
  const Registry registry = registry_with({});
  for (auto& entry : roles)
    for (auto& name : registry.layers(entry.role)) names.push_back(name);
  return names;
}

std::vector<std::string> codes_that_begin_with(std::string_view family) {
  std::vector<std::string> found;
  for (auto& entry : codes())
    if (entry.code.starts_with(family)) found.emplace_back(entry.code);
  return found;
}

void add(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

void add_values(Values& values, const std::string& word) {
  if (word.find_first_of("= ") != word.npos || word.empty()) return;
  const size_t dot = word.rfind('.');
  if (word == "NET")
    add(values.files, {"*.yaml", "*.yml"});
  else if (word == "DIR" || word == "RUN")
    values.folders = true;
  else if (word == "FILE" || word == "A" || word == "B")
    values.files.emplace_back("*");
  else if (word == "TYPE")
    add(values.words, types());
  else if (word == "CODE")
    add(values.words, codes_that_begin_with(""));
  else if (word == "WARNING")
    add(values.words, codes_that_begin_with("W"));
  else if (word == "PASS")
    add(values.words, optional_passes());
  else if (dot != word.npos && dot > 0 && word[dot - 1] != '.')
    values.files.push_back("*" + word.substr(dot));
  else if (std::ranges::none_of(word, [](char c) { return c >= 'A' && c <= 'Z'; }))
    values.words.push_back(word);
}

}  // namespace

CommandForms forms_of(const CLI::App& app) {
  CommandForms forms{.braid = command_form(app), .commands = {}, .footer = app.get_footer()};
  forms.braid.name.clear();
  for (const auto* command : app.get_subcommands([](auto*) { return true; }))
    forms.commands.push_back(command_form(*command));
  return forms;
}

Values values_of(const OptionForm& form) {
  Values values;
  // "sse4|avx2|avx512; plan: also sm_90", "[DIR]", "WARNING ...|warnings"
  std::string text = form.placeholder.substr(0, form.placeholder.find(';'));
  for (const char* left_out : {"[", "]", " ..."})
    for (size_t at; (at = text.find(left_out)) != text.npos;)
      text.erase(at, std::string_view(left_out).size());
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('|', at), text.size());
    add_values(values, text.substr(at, end - at));
    at = end + 1;
  }
  return values;
}

}  // namespace braid::cli
