# Deploying to AWS with plain docker and AWS CLI commands. The Makefile includes this file.
#
#   make deploy push STACK=tidegate MODEL=model.pkl    the first time: the stack brings the repository
#   make push deploy STACK=tidegate                    from then on: the image, then the stack that names it

# What the caller may set. An update keeps the model, and each parameter of the template that is not set.
STACK ?=
MODEL ?=
PARAMETERS ?=
ARCHITECTURE ?= X86_64
BUILD_ARGS ?=

# The tag is a digest of the image's contents: other contents get another tag, and another task revision.
PLATFORM = $(if $(filter ARM64,$(ARCHITECTURE)),linux/arm64,linux/amd64)
CONTENTS = Dockerfile requirements/image.txt requirements/onnx.txt $(sort $(shell find worker -name '*.py'))
TAG = $(call known,TAG,(echo '$(PLATFORM) $(BUILD_ARGS)'; sha256sum $(CONTENTS)) | sha256sum | cut -c 1-12)
IMAGE = tidegate-worker:$(TAG)

# A model in a file is uploaded under its digest, so that a name never means two models.
MODEL_FILE = $(filter-out s3://%,$(MODEL))
MODEL_SHA256 = $(if $(MODEL_FILE),$(shell sha256sum $(MODEL_FILE) | cut -c 1-64))
MODEL_URI = $(if $(MODEL_FILE),s3://$(BUCKET)/models/$(MODEL_SHA256)/$(notdir $(MODEL_FILE)),$(MODEL))

# A stack with an image of the caller's own has no repository, and its parameters name the architecture.
OWN_IMAGE = $(or $(filter Image=%,$(PARAMETERS)),$(if $(STATUS),$(if $(REPOSITORY),,yes)))
CHOSEN = $(if $(OWN_IMAGE),,ImageTag=$(TAG) Architecture=$(ARCHITECTURE)) $(if $(MODEL),Model=$(MODEL_URI) ModelSha256=$(MODEL_SHA256)) $(PARAMETERS)

# AWS is asked for each of these when it is needed first, and not again once it has answered.
known = $(or $(known-$1),$(eval known-$1 := $$(shell $2))$(known-$1))
ACCOUNT = $(call known,ACCOUNT,aws sts get-caller-identity --query Account --output text)
REGION = $(or $(AWS_REGION),$(AWS_DEFAULT_REGION),$(call known,REGION,aws configure get region))
BUCKET = $(STACK)-deploy-$(ACCOUNT)-$(REGION)
STATUS = $(call known,STATUS,aws cloudformation describe-stacks --stack-name $(STACK) --query 'Stacks[].StackStatus' --output text 2>/dev/null)
REPOSITORY = $(call known,REPOSITORY,aws ecr describe-repositories --repository-names $(STACK)-worker --query 'repositories[].repositoryUri' --output text 2>/dev/null)
PUSHED = $(call known,PUSHED,aws ecr describe-images --repository-name $(STACK)-worker --image-ids imageTag=$(TAG) --query 'imageDetails[].imageDigest' --output text 2>/dev/null)

.PHONY: image push deploy destroy needs-docker needs-stack

image: needs-docker ## build the worker's image (BUILD_ARGS="REQUIREMENTS=onnx BASE=...", as in the Dockerfile)
	docker build --platform $(PLATFORM) $(foreach argument,$(BUILD_ARGS),--build-arg '$(argument)') --tag $(IMAGE) .

push: needs-stack image ## build the image and push it to the repository of STACK=name
	@$(if $(REPOSITORY),,$(error the stack $(STACK) has no repository: make deploy STACK=$(STACK) MODEL=... makes it))
	$(if $(PUSHED),@echo "$(IMAGE) is in $(REPOSITORY) already",$(push-commands))

define push-commands
aws ecr get-login-password | docker login --username AWS --password-stdin $(firstword $(subst /, ,$(REPOSITORY)))
	docker tag $(IMAGE) $(REPOSITORY):$(TAG)
	docker push $(REPOSITORY):$(TAG)
endef

deploy: needs-stack ## create or update STACK=name (MODEL=file or s3://bucket/key, PARAMETERS="MaxTasks=8 ...")
	@$(if $(STATUS)$(MODEL),,$(error MODEL=file or MODEL=s3://bucket/key is missing: there is no stack $(STACK) yet))
	@$(if $(MODEL_FILE),$(if $(wildcard $(MODEL_FILE)),,$(error there is no file $(MODEL_FILE))))
	@$(if $(OWN_IMAGE),,$(if $(STATUS),$(if $(PUSHED),,$(error no worker could start without the image $(TAG): make push STACK=$(STACK) comes first))))
	$(if $(STATUS),,$(first-commands))
	$(if $(MODEL_FILE),aws s3 cp --no-progress $(MODEL_FILE) $(MODEL_URI))
	@mkdir -p build && rm -rf dispatcher/__pycache__
	aws cloudformation package --template-file infra/cloudformation.yaml --s3-bucket $(BUCKET) --s3-prefix dispatcher --output-template-file build/$(STACK).yaml >/dev/null
	@echo
	aws cloudformation deploy --template-file build/$(STACK).yaml --stack-name $(STACK) --s3-bucket $(BUCKET) --s3-prefix template --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset $(if $(strip $(CHOSEN)),--parameter-overrides $(CHOSEN))
	aws cloudformation describe-stacks --stack-name $(STACK) --query 'sort_by(Stacks[0].Outputs, &OutputKey)[].[OutputKey, OutputValue]' --output text
	@$(if $(OWN_IMAGE)$(STATUS),,echo "No worker can start before its image is there: make push STACK=$(STACK)")

# With an account's first cluster ECS makes its service role, but too late for that cluster.
define first-commands
aws s3api head-bucket --bucket $(BUCKET) 2>/dev/null || aws s3 mb s3://$(BUCKET)
	aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com >/dev/null 2>&1 || true # it is there
endef

# The dispatcher is stopped first, as nothing else starts workers. A stopped worker releases its messages.
destroy: needs-stack ## delete STACK=name, and print what stays
	@$(if $(STATUS),,$(error there is no stack $(STACK)))
	aws lambda put-function-concurrency --function-name $(STACK)-dispatcher --reserved-concurrent-executions 0 >/dev/null
	aws ecs list-tasks --cluster $(STACK) --query 'taskArns[]' --output text | xargs -n 1 -r aws ecs stop-task --cluster $(STACK) --query task.taskArn --output text --task
	aws ecs list-tasks --cluster $(STACK) --desired-status STOPPED --query 'taskArns[]' --output text | xargs -n 100 -r aws ecs wait tasks-stopped --cluster $(STACK) --tasks
	aws cloudformation delete-stack --stack-name $(STACK)
	aws cloudformation wait stack-delete-complete --stack-name $(STACK)
	@echo "gone: images, logs and queues; a file that waited in a queue is still among the files"
	@echo "kept: s3://$(STACK)-input-$(ACCOUNT)-$(REGION), the files"
	@echo "kept: s3://$(STACK)-output-$(ACCOUNT)-$(REGION), the predictions and failure reports"
	@echo "kept: s3://$(BUCKET), the models and the dispatcher's code"
	@echo "A stack may have this name again once the buckets are removed."

needs-docker:
	@$(if $(shell command -v docker 2>/dev/null),,$(error docker is missing on the PATH))

needs-stack:
	@$(if $(shell command -v aws 2>/dev/null),,$(error the AWS CLI is missing: there is no aws on the PATH))
	@$(if $(STACK),,$(error STACK=name is missing$(if $(MODEL),,; a new stack needs MODEL=file or MODEL=s3://bucket/key too)))
	@$(if $(REGION),,$(error AWS_REGION is missing))
	@$(if $(ACCOUNT),,$(error AWS does not know you: see above))
