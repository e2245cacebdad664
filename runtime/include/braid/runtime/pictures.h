// Pictures in and out of a network: PNG files as the array of an input, an output as PNG files.
//
//   Array image = read_pictures(model, "image", "cat.png,dog.png");
//   auto outputs = session.run({{"image", image}}, {"mask"});
//   write_pictures("mask.png", outputs.at("mask"));   // mask-0.png, mask-1.png
#pragma once
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>

namespace braid {

/// Whether `files` are pictures to read_pictures: names that end in .png, .jpg or .jpeg, or a
/// folder.
bool names_pictures(const std::string& files);

/// PNG files as one array of the input's type, a sample for each: `files` is a name, several with
/// commas between them, or a folder, whose .png files are taken in the order of their names.
///
/// They are read as `data.test` reads those of this input, else as `data.train` does without its
/// randomness: scale, mean, std, resize and the middle of a crop. Where neither reads pictures
/// for it, bytes become x / 255 for f32 and f64 and stay what they are for other types.
///
/// Throws Error(Fault::usage, "E0331") for an unknown input, "E0333" for one that is no picture,
/// Error(Fault::data) as a data source does: E0301, E0343, E0360 to E0365.
Array read_pictures(const Model& model, const std::string& input, const std::string& files);

/// The pictures of an array [N, H, W] or [N, 1 or 3, H, W], as PNG files of 8 bits: `path` itself
/// for one, else `-0`, `-1`, ... before its ending, with zeros in front so that names are in the
/// order of the samples. Floats from 0 to 1 become the nearest of 0 to 255; integers are gray
/// values (of classes, for a mask), bools 0 and 255. Returns the files' names.
///
/// Throws Error(Fault::output): E0604 for an array of another shape or with a value that has no
/// such byte, before anything is written; E0601 when a file cannot be written.
std::vector<std::string> write_pictures(const std::string& path, const Array& array);

}  // namespace braid
