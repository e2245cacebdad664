#include "pipeline/next.h"

#include "pipeline/stream.h"

namespace braid {

void Next::offer(Station& station, Shell* shell) {
  if (outside_)
    stream_.post({&station, shell});
  else if (!mine_.station)
    mine_ = {&station, shell};
  else
    stream_.spawn({&station, shell});
}

}  // namespace braid
