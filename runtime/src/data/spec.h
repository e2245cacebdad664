// What a data source was declared to be, read from its keys and checked, before any file is opened.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>

#include <braid/runtime/data.h>

#include "data/augment.h"

namespace braid {

/// value = (x * scale - mean) / std
struct Affine {
  double scale = 1, mean = 0, std = 1;
  double operator()(double x) const { return (x * scale - mean) / std; }
  bool identity() const { return scale == 1 && mean == 0 && std == 1; }
};

enum class Law { normal, uniform };

/// A column of a table: its number, or its title where the file has titles.
struct ColumnName {
  int64_t number = -1;
  std::string title = {};
};

/// How one input is filled.
struct FillSpec {
  size_t input = 0;  ///< into the model's inputs
  Mark mark = {};
  std::string path = {};  ///< Idx, Npy; Images: a folder, or a list of files
  Mark path_mark = {};
  bool listed = false;                   ///< Images
  std::string pattern = {};              ///< Images: of names in the folder, with one `*`; "" = all
  std::vector<ColumnName> columns = {};  ///< Csv
  Mark columns_mark = {};
  Affine affine = {};
  std::vector<Affine> channels = {};    ///< one for each; empty = `affine` for all
  double pad = 0;                       ///< what lies around a picture, before `affine`
  std::optional<Law> law = {};          ///< drawn instead of read
  bool label = false;                   ///< ImageFolder: the number of the folder
  std::vector<std::string> files = {};  ///< these pictures, in place of `path`
};

enum class SourceKind { idx, csv, npy, images, folder };

/// What pictures are scaled to when they are read.
struct ResizeSpec {
  int64_t height = 0, width = 0;  ///< width 0: the shorter side becomes `height`
};

struct SourceSpec {
  SourceKind kind = SourceKind::idx;
  bool shuffle = false;
  std::string path = {};  ///< Csv; ImageFolder: the folder of folders
  Mark path_mark = {};
  Mark mark = {};
  bool header = false;
  char delimiter = ',';
  std::vector<std::string> classes = {};  ///< ImageFolder: names of folders; empty = all there are
  Mark classes_mark = {};
  std::optional<ResizeSpec> resize = {};
  std::vector<FillSpec> fills = {};
  AugmentSpec augment = {};
};

/// Whether an input is a picture: [N, H, W] or [N, C, H, W]. Crops and flips are for these alone.
bool is_picture(const InputDecl& input);

/// Whether images can fill an input: [N, H, W], or [N, C, H, W] of at most four channels.
bool takes_images(const InputDecl& input);

/// Whether the gray values of such an input are classes, which no average may mix.
bool holds_classes(DType dtype);

/// Faults go to `found`; the result is of use only when there are none.
SourceSpec read_spec(const TypedDict& declared, std::span<const InputDecl> inputs,
                     Diagnostics& found);

/// Reads the files of a source that nobody declared; they are named as from here.
DataSource open_source(const SourceSpec& spec, std::span<const InputDecl> inputs);

}  // namespace braid
