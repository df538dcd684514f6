# make            builds into build/ what is installed: the extension, the trainer, the sidecar
# make everything the tests and the benchmarks' programs as well
# make install    extension where PG_CONFIG says, seqrec-trainer and seqrec-http into its --bindir
# make sanitize   builds the unit tests with the address and undefined-behaviour sanitizers and runs them
# make fuzz       builds the fuzzers (clang) and runs each for FUZZ_SECONDS, default 60; fuzz-snapshot and fuzz-http are one each
# make installcheck   runs the SQL tests against the running server
#
# Variables: PG_CONFIG (which PostgreSQL), LIBTORCH (a downloaded libtorch 2.x instead of the system's), CHART_JS (a
# chart.min.js instead of the system's)

EXTENSION = seqrec
DATA = $(wildcard sql/seqrec--*.sql)
REGRESS = install train_errors train serving reasons ids privileges
REGRESS_OPTS = --inputdir=. --outputdir=build/regress
EXTRA_CLEAN = build

all: build/seqrec.so build/seqrec-trainer build/seqrec-http

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# --- the extension: PostgreSQL's own flags and linker line, products in build/ ---
# The files of a folder are compiled as one, at most thirteen: 52 seconds of a core of 2021 and not 138. With UNITY= each is compiled
# by itself, faster where one is edited again and again.
UNITY = yes
FOLDERS = $(sort $(patsubst src/%/,%,$(dir $(wildcard src/*/*.cpp))))
files_of = $(sort $(wildcard src/$1/*.cpp))
UNITS = $(FOLDERS:%=%_1) $(foreach folder,$(FOLDERS),$(if $(word 14,$(call files_of,$(folder))),$(folder)_2))
unit_files = $(if $(filter %_1,$1),$(wordlist 1,13,$(call files_of,$(1:_1=))),$(wordlist 14,99,$(call files_of,$(1:_2=))))
OBJECTS = $(patsubst src/%.cpp,build/extension/%.o,$(wildcard src/*.cpp $(if $(UNITY),,src/*/*.cpp))) \
	$(if $(UNITY),$(UNITS:%=build/extension/unity/%.o))
EXTENSION_CPPFLAGS = $(CPPFLAGS) -I. -Isrc -MMD -MP
EXTENSION_CXXFLAGS = $(CXXFLAGS) $(CFLAGS_SL) -std=c++20 -O2 -g1 -Wall -Wextra -Wno-register

# Headers that most files read are read once; ccache can't keep what was compiled so, and saves more.
PRECOMPILED = $(if $(findstring ccache,$(CXX)),,build/extension/precompiled.hpp)

build/extension/precompiled.hpp: core/precompiled.hpp
	@mkdir -p $(@D)
	echo '#include "core/precompiled.hpp"' >$@
	$(CXX) $(EXTENSION_CXXFLAGS) $(EXTENSION_CPPFLAGS) -x c++-header $@ -o $@.gch || { rm -f $@; exit 1; }

# What a unit consists of changes with the files there are, so it is always looked at, and only then written.
$(UNITS:%=build/extension/unity/%.cpp): build/extension/unity/%.cpp: FORCE
	@mkdir -p $(@D)
	@printf '#include "%s"\n' $(call unit_files,$*) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE  # the server's own makefiles make all files secondary, and such as are not there nobody then waits for

objects:  # how many there are to compile, which ./dev shows the progress by
	@echo $(words $(OBJECTS))

define compile
	@mkdir -p $(@D)
	@echo 'Building CXX object $@'
	$(CXX) $(EXTENSION_CXXFLAGS) -isystem $(shell $(PG_CONFIG) --includedir-server) $(PRECOMPILED:%=-include %) $(EXTENSION_CPPFLAGS) -c $< -o $@
endef

build/extension/unity/%.o: build/extension/unity/%.cpp $(PRECOMPILED)
	$(compile)

build/extension/%.o: src/%.cpp $(PRECOMPILED)
	$(compile)

build/seqrec.so: $(OBJECTS) build/libseqrec_core.a src/exports.map
	$(CXX) -shared -o $@ $(OBJECTS) build/libseqrec_core.a $(LDFLAGS) $(LDFLAGS_SL) \
		-Wl,--version-script=src/exports.map -Wl,--exclude-libs,ALL

# The extension once more with a kind that only tests know (test/fixtures/).
build/fixture/category_popularity.o: test/fixtures/category_popularity.cpp
	@mkdir -p $(@D)
	$(CXX) $(EXTENSION_CXXFLAGS) $(EXTENSION_CPPFLAGS) -c $< -o $@

build/fixture/seqrec.so: $(OBJECTS) build/libseqrec_core.a build/fixture/category_popularity.o src/exports.map
	$(CXX) -shared -o $@ $(OBJECTS) build/fixture/category_popularity.o build/libseqrec_core.a $(LDFLAGS) $(LDFLAGS_SL) \
		-Wl,--version-script=src/exports.map -Wl,--exclude-libs,ALL

-include $(OBJECTS:.o=.d) build/fixture/category_popularity.d

# --- everything without a PostgreSQL server header: CMake underneath ---
CMAKE_TARGETS = build/libseqrec_core.a build/seqrec-trainer build/seqrec-http

build/cmake/CMakeCache.txt:
	cmake -S . -B build/cmake -DCMAKE_BUILD_TYPE=Release -DPG_CONFIG=$(PG_CONFIG) $(if $(LIBTORCH),-DCMAKE_PREFIX_PATH=$(LIBTORCH)) \
		$(if $(CHART_JS),-DCHART_JS=$(CHART_JS))

# CMake decides what is out of date, so it is always asked: once, for all that is wanted of it.
GOAL = programs
everything: GOAL = all
$(CMAKE_TARGETS): cmake-build ;
cmake-build: build/cmake/CMakeCache.txt
	cmake --build build/cmake --parallel $(or $(JOBS),2) --target $(GOAL)

everything: all build/fixture/seqrec.so

# --- the unit tests under sanitizers, in build/sanitize ---
SANITIZED = seqrec-unit-tests seqrec-http-tests seqrec-trainer-tests
# Not those that limit memory, which the sanitizer's own needs exceed, nor those that a clock decides.
SANITIZED_TRAINER = -MemoryErrors.*:WorkersDeathTest.*:Job.OutOfMemory*:Job.EndsAtMaxSeconds:Job.Sigterm*:Job.GoesOn*

build/sanitize/CMakeCache.txt:
	cmake -S . -B build/sanitize -DSANITIZE=ON -DPG_CONFIG=$(PG_CONFIG) $(if $(LIBTORCH),-DCMAKE_PREFIX_PATH=$(LIBTORCH)) \
		$(if $(CHART_JS),-DCHART_JS=$(CHART_JS))

sanitize: build/sanitize/CMakeCache.txt
	cmake --build build/sanitize --parallel $(or $(JOBS),2) --target $(SANITIZED)
	build/sanitize/seqrec-unit-tests --gtest_brief=1
	build/sanitize/seqrec-http-tests --gtest_brief=1
	LSAN_OPTIONS=suppressions=test/trainer/leaks.supp \
		build/sanitize/seqrec-trainer-tests --gtest_brief=1 --gtest_filter='$(SANITIZED_TRAINER)'

# --- the fuzzers, in build/fuzz ---
KERNELS = portable $(if $(filter x86_64,$(shell uname -m)),avx2 avx2int16 avx512 avx512bf16)
CORE_SOURCES = $(wildcard core/*.cpp core/files/*.cpp core/scan/*.cpp core/kinds/*.cpp) $(KERNELS:%=core/kernels/%.cpp) \
	core/kernels/encoder_kernels.cpp core/kernels/instructions.cpp
FUZZED = $(patsubst %.cpp,build/fuzz/%.o,$(CORE_SOURCES) test/fuzz/snapshot_fuzz.cpp)
FUZZ_FLAGS = -std=c++20 -O1 -g1 -I. -Wno-psabi \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_SECONDS ?= 60

%/kernels/avx2.o %/kernels/avx2int16.o: INSTRUCTIONS = -mavx2 -mfma
%/kernels/avx512.o %/kernels/avx512bf16.o: INSTRUCTIONS = -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl
%/kernels/avx512bf16.o: INSTRUCTIONS += -mavx512bf16

build/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	clang++ $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(INSTRUCTIONS) -MMD -MP -c $< -o $@

-include $(FUZZED:.o=.d)

build/fuzz/snapshot: $(FUZZED)
	@mkdir -p build/fuzz/corpus
	clang++ $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^

fuzz-snapshot: build/fuzz/snapshot
	SEQREC_FUZZ_SEED=build/fuzz/corpus/valid $< -runs=0
	$< -dict=test/fuzz/snapshot.dict -max_len=65536 -rss_limit_mb=2048 -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=build/fuzz/ build/fuzz/corpus

# The sidecar whole, but for main() and all but one page of the dashboard.
EMBEDDED = openapi.json=$(CURDIR)/sidecar/api/openapi.json;web/index.html=$(CURDIR)/sidecar/web/index.html
HTTP_FUZZED = $(patsubst %.cpp,build/fuzz/%.o,$(filter-out sidecar/main.cpp,$(wildcard sidecar/*.cpp sidecar/http/*.cpp \
	sidecar/db/*.cpp sidecar/api/*.cpp)) test/fuzz/http_input.cpp test/fuzz/http_fuzz.cpp)
# Clang 14 has coroutines but does not say so to libstdc++, and its check of function types can't take them.
build/fuzz/sidecar/%.o build/fuzz/test/fuzz/http%.o: INSTRUCTIONS = -Isidecar -isystem $(shell $(PG_CONFIG) --includedir) \
	-DSEQREC_VERSION='"0"' -DBOOST_ASIO_NO_DEPRECATED -D__cpp_impl_coroutine=201902L -fno-sanitize=function

build/fuzz/embedded/embedded.cpp: sidecar/embed.cmake sidecar/api/openapi.json sidecar/web/index.html
	cmake "-DENTRIES=$(EMBEDDED)" -DFOLDER=$(CURDIR)/$(@D) -P $<

build/fuzz/http: $(HTTP_FUZZED) build/fuzz/embedded/embedded.cpp
	@mkdir -p build/fuzz/http-corpus
	clang++ $(FUZZ_FLAGS) -Isidecar -fsanitize=fuzzer -o $@ $^ build/fuzz/embedded/embedded.S -L$(shell $(PG_CONFIG) --libdir) -lpq -lpthread

-include $(HTTP_FUZZED:.o=.d)

fuzz-http: build/fuzz/http
	$< -dict=test/fuzz/http.dict -max_len=8192 -rss_limit_mb=2048 -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=build/fuzz/ build/fuzz/http-corpus test/fuzz/http

fuzz: fuzz-snapshot fuzz-http

install: install-programs
install-programs: all
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)' '$(DESTDIR)$(bindir)'
	$(INSTALL_SHLIB) build/seqrec.so '$(DESTDIR)$(pkglibdir)/seqrec.so'
	$(INSTALL_PROGRAM) build/seqrec-trainer build/seqrec-http '$(DESTDIR)$(bindir)'

uninstall: uninstall-programs
uninstall-programs:
	rm -f '$(DESTDIR)$(pkglibdir)/seqrec.so' '$(DESTDIR)$(bindir)/seqrec-trainer' '$(DESTDIR)$(bindir)/seqrec-http'

.PHONY: everything objects sanitize fuzz fuzz-snapshot fuzz-http cmake-build install-programs uninstall-programs
