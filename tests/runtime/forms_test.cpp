// What the forms say of schedules and data sources is what their readers know.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include <braid/runtime/data.h>
#include <braid/runtime/forms.h>
#include <braid/runtime/schedule.h>

namespace braid {
namespace {

/// The keys that the reader lists when it meets one that it does not know.
std::vector<std::string> known_to(const Diagnostics& found) {
  const std::string begin = "known here are: ";
  std::vector<std::string> keys;
  for (auto& d : found.all()) {
    if (d.code != "E0331" || !d.helps.starts_with(begin)) continue;
    std::istringstream list(d.helps.substr(begin.size()));
    for (std::string key; list >> key;) keys.push_back(key.substr(0, key.find(',')));
  }
  std::ranges::sort(keys);
  return keys;
}

std::vector<std::string> names(const std::vector<ParamDef>& params,
                               std::vector<std::string> more = {}) {
  for (auto& param : params) more.push_back(param.name);
  std::ranges::sort(more);
  return more;
}

std::vector<std::string> names(const std::vector<Form>& forms) {
  std::vector<std::string> names;
  for (auto& form : forms) names.push_back(form.name);
  return names;
}

TEST(Forms, OfSchedulesSayWhatIsRead) {
  EXPECT_EQ(names(schedule_forms()), schedule_types());
  for (auto& form : schedule_forms()) {
    Diagnostics found;
    check_schedule({form.name, {{"unheard_of", 1}}}, found);
    EXPECT_EQ(known_to(found), names(form.params)) << form.name;
    for (auto& param : form.params) EXPECT_NE(param.doc, "") << form.name << " " << param.name;
  }
}

TEST(Forms, OfSchedulesSayWhatIsNeeded) {
  for (auto& form : schedule_forms()) {
    Diagnostics found;
    check_schedule({form.name, {}}, found);
    const bool needs = std::ranges::any_of(
        form.params, [](auto& param) { return param.fallback.is_null() && !param.optional; });
    EXPECT_EQ(found.has_errors(), needs) << form.name;
  }
}

const InputDecl image{"image", {DType::f32, {N, 3, 8, 8}}};

TEST(Forms, OfSourcesSayWhatIsRead) {
  EXPECT_EQ(names(data_source_forms()), data_source_types());
  for (auto& form : data_source_forms()) {
    Diagnostics found;
    check_data({form.name, {{"unheard_of", 1}}}, {&image, 1}, found);
    EXPECT_EQ(known_to(found), names(form.params, {"augment", "image"})) << form.name;
  }
}

/// How the inputs of a source are filled; `key` chooses among ways that exclude each other.
std::vector<std::string> known_in_fill(const std::string& source, const std::string& key) {
  Diagnostics found;
  InputDecl input = image;
  // What has columns has no pictures.
  if (source == "Csv") input.type.shape = {N, 8};
  check_data({source, {{"image", Dict{{key, "normal"}, {"unheard_of", 1}}}, {"path", "p"}}},
             {&input, 1}, found);
  auto keys = known_to(found);
  // The line of the source itself stands there, too.
  auto of_source = data_source_forms();
  auto form = std::ranges::find(of_source, source, &Form::name);
  const auto own = names(form->params, {"augment", "image"});
  std::erase_if(keys, [&](auto& k) { return std::ranges::find(own, k) != own.end(); });
  return keys;
}

TEST(Forms, OfFillsSayWhatIsRead) {
  for (std::string source : {"Idx", "Npy"})
    EXPECT_EQ(known_in_fill(source, "path"), names(fill_form(source).params, {"random"}));
  for (std::string source : {"Images", "ImageMask"})
    EXPECT_EQ(known_in_fill(source, "folder"), names(fill_form(source).params, {"random"}));
  EXPECT_EQ(known_in_fill("ImageFolder", "x-way"),
            names(fill_form("ImageFolder").params, {"random"}));
  EXPECT_EQ(known_in_fill("Csv", "column"), names(fill_form("Csv").params, {"random"}));
  EXPECT_EQ(known_in_fill("Idx", "random"), names(random_fill_form().params));
}

TEST(Forms, OfAugmentSayWhatIsRead) {
  Diagnostics found;
  check_data(
      {"Idx",
       {{"image", Dict{{"path", "p"}}}, {"augment", Dict{{"flip", "both"}, {"unheard_of", 1}}}}},
      {&image, 1}, found);
  EXPECT_EQ(known_to(found), names(augment_form().params));
}

TEST(Forms, OfWhatStandsInAugmentSayWhatIsRead) {
  for (const Form& form : {resized_crop_form(), jitter_form()}) {
    Diagnostics found;
    check_data({"Images",
                {{"image", Dict{{"folder", "p"}}},
                 {"augment", Dict{{form.name, Dict{{"unheard_of", 1}}}}}}},
               {&image, 1}, found);
    EXPECT_EQ(known_to(found), names(form.params)) << form.name;
  }
}

}  // namespace
}  // namespace braid
