# Sourced by the run.sh of each model: how Python and torch are run.
python=${PYTHON:-/usr/bin/python3}

# Debian's torch links the reference BLAS, ten times slower: put OpenBLAS first, one thread.
# OpenBLAS's own choice of kernels is slow on some machines; SkylakeX needs AVX-512.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export LD_LIBRARY_PATH=/usr/lib/$(uname -m)-linux-gnu/openblas-pthread${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if grep -q avx512f /proc/cpuinfo; then core=SkylakeX; elif grep -q avx2 /proc/cpuinfo; then core=Haswell; fi
[ -z "$core" ] || export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-$core}
# kernels of oneDNN kept: one for each shape of bfloat.py's products
export ONEDNN_PRIMITIVE_CACHE_CAPACITY=20000
# big arrays come and go in every step, and flite's memory with every phrase; keep their memory instead of mapping it anew
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296
export PYTHONPATH=$here/..${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1
# only on what nobody else needs of the machine
run() { nice -n 19 "$python" -u "$@"; }
