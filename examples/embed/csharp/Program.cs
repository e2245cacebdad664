// A network in C#, through libbraid.so: with LD_LIBRARY_PATH at the library
// `dotnet run -- digits.yaml`, or `mcs Program.cs && mono Program.exe digits.yaml`.
//
//   digits.yaml --braid_open--> session
//                                  |
//   float[64] --braid_run----------+--> float[10]
using System;
using System.Runtime.InteropServices;

[StructLayout(LayoutKind.Sequential)]
struct Tensor {
  public IntPtr Name;
  public int Dtype, Rank;
  public IntPtr Dims, Data;
  public UIntPtr Bytes;
}

static class Program {
  const string Library = "braid";

  [DllImport(Library)]
  static extern int braid_open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, IntPtr options,
                               out IntPtr session, out IntPtr error);
  [DllImport(Library)] static extern void braid_close(IntPtr session);
  [DllImport(Library)]
  static extern int braid_run(IntPtr session, ref Tensor inputs, int inputCount, ref Tensor outputs,
                              int outputCount, out IntPtr error);
  [DllImport(Library)] static extern IntPtr braid_error_text(IntPtr error);
  [DllImport(Library)] static extern void braid_error_free(IntPtr error);

  static void Check(int status, IntPtr error) {
    if (status == 0) return;
    string text = Marshal.PtrToStringUTF8(braid_error_text(error));
    braid_error_free(error);
    throw new InvalidOperationException(text);
  }

  // What the garbage collector must not move while the library uses it.
  static Tensor Pinned(string name, long[] dims, float[] values) => new Tensor {
    Name = Marshal.StringToCoTaskMemUTF8(name),
    Dtype = 0,
    Rank = dims.Length,
    Dims = GCHandle.Alloc(dims, GCHandleType.Pinned).AddrOfPinnedObject(),
    Data = GCHandle.Alloc(values, GCHandleType.Pinned).AddrOfPinnedObject(),
    Bytes = (UIntPtr)(values.Length * sizeof(float)),
  };

  static void Main(string[] arguments) {
    Check(braid_open(arguments[0], IntPtr.Zero, out IntPtr session, out IntPtr error), error);
    var logits = new float[10];
    Tensor image = Pinned("image", new long[] { 1, 64 }, new float[64]);
    Tensor scores = Pinned("logits", new long[] { 1, 10 }, logits);
    Check(braid_run(session, ref image, 1, ref scores, 1, out error), error);
    Console.WriteLine(string.Join(" ", logits));
    braid_close(session);
  }
}
