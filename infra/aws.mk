# Deploying to AWS by `tidegate`, for those who type make. The Makefile includes this file.
#
#   make deploy STACK=tidegate MODEL=model.pkl    the first time
#   make deploy STACK=tidegate                    from then on

# What the caller may set. Several values are separated by spaces; those of PARAMETERS and SETTINGS are words of
# the shell, with its quotes.
STACK ?=
MODEL ?=
PARAMETERS ?=
SETTINGS ?=
REQUIREMENTS ?=
PACKAGES ?=
ARCHITECTURE ?=
BUILD_ARGS ?=

TIDEGATE = $(BIN)/python -m tidegate
IMAGE_OPTIONS = $(if $(REQUIREMENTS),--requirements '$(REQUIREMENTS)') \
  $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE)) \
  $(foreach path,$(PACKAGES),--package '$(path)') $(foreach argument,$(BUILD_ARGS),--build-arg '$(argument)')
# `$(call each,--option,words)` adds the option once for each word to the arguments.
each = for word in $2; do set -- "$$@" $1 "$$word"; done;

.PHONY: image push deploy destroy

image: .venv/demo.stamp ## build the worker's image (REQUIREMENTS=my.txt PACKAGES=folder ARCHITECTURE=ARM64)
	@$(TIDEGATE) image $(IMAGE_OPTIONS)

push: .venv/demo.stamp ## build the image and push it to the repository of STACK=name
	@$(TIDEGATE) push $(STACK) $(IMAGE_OPTIONS)

deploy: .venv/demo.stamp ## create or update STACK=name (MODEL=file or s3://bucket/key, PARAMETERS="MaxTasks=8 ...")
	@$(call each,--parameter,$(PARAMETERS)) $(call each,--set,$(SETTINGS)) \
	  $(TIDEGATE) deploy $(STACK) $(if $(MODEL),--model '$(MODEL)') $(IMAGE_OPTIONS) "$$@"

destroy: .venv/demo.stamp ## delete STACK=name, and print what stays
	@$(TIDEGATE) destroy $(STACK) --yes
