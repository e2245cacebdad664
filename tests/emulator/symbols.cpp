#include "symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

namespace emulator {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 && text ? text : name;
  std::free(text);
  return result;
}

/// Names by offset from where the file is loaded; empty for a file that was stripped.
std::map<uintptr_t, std::string> symbols_of(const char* path) {
  std::ifstream file(*path ? path : "/proc/self/exe", std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  std::map<uintptr_t, std::string> names;
  auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes.data());
  if (bytes.size() < sizeof *header || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0)
    return names;
  auto* sections = reinterpret_cast<const Elf64_Shdr*>(bytes.data() + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i) {
    auto& s = sections[i];
    if (s.sh_type != SHT_SYMTAB) continue;
    const char* texts = bytes.data() + sections[s.sh_link].sh_offset;
    auto* symbols = reinterpret_cast<const Elf64_Sym*>(bytes.data() + s.sh_offset);
    for (size_t k = 0; k < s.sh_size / sizeof *symbols; ++k)
      if (ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC)
        names[symbols[k].st_value] = texts + symbols[k].st_name;
  }
  return names;
}

std::string look_up(const void* function) {
  static std::map<uintptr_t, std::map<uintptr_t, std::string>> files;
  Dl_info info{};
  link_map* file = nullptr;
  if (!dladdr1(const_cast<void*>(function), &info, reinterpret_cast<void**>(&file),
               RTLD_DL_LINKMAP) ||
      !file)
    return "a kernel";
  auto [names, fresh] = files.try_emplace(file->l_addr);
  if (fresh) names->second = symbols_of(file->l_name);
  auto found = names->second.find(reinterpret_cast<uintptr_t>(function) - file->l_addr);
  return found == names->second.end() ? "a kernel" : demangled(found->second.c_str());
}

}  // namespace

const std::string& name_of(const void* function) {
  static std::map<const void*, std::string> known;
  auto found = known.find(function);
  if (found == known.end()) found = known.emplace(function, look_up(function)).first;
  return found->second;
}

}  // namespace emulator
