# smaknet on a ROS 2 image, the way README.md installs it into a workspace. CPU by default:
#   docker build -t smaknet .
#   docker build -t smaknet:humble --build-arg ROS_DISTRO=humble .
#   docker run --rm --network host --ipc host -v "$PWD/out:/data" smaknet \
#     ros2 launch smaknet_ros matcher.launch.py model:=/data/run demonstration:=/data/demo.safetensors
# CUDA: build with the wheels of your driver, --build-arg TORCH=https://download.pytorch.org/whl/cu126,
# and run with --gpus all ... device:=cuda. --ipc host lets pictures go through shared memory.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base
ARG TORCH=https://download.pytorch.org/whl/cpu

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    python3-numpy python3-pip python3-venv "ros-$ROS_DISTRO-cv-bridge" \
 && rm -rf /var/lib/apt/lists/*

# PyTorch before our sources, so that a change of ours does not fetch it again. cv_bridge breaks on
# the NumPy after the one it was compiled against.
RUN python3 -m venv --system-site-packages /opt/venv \
 && python3 -c 'import numpy; print("numpy<%d" % (int(numpy.__version__.split(".")[0]) + 1))' \
    > /opt/venv/constraints.txt \
 && /opt/venv/bin/pip install --no-cache-dir -c /opt/venv/constraints.txt --index-url "$TORCH" torch

WORKDIR /ws
COPY package.xml setup.py setup.cfg pyproject.toml LICENSE src/smaknet/
COPY resource src/smaknet/resource
COPY launch src/smaknet/launch
COPY config src/smaknet/config
COPY smaknet_core src/smaknet/smaknet_core
COPY smaknet_ros src/smaknet/smaknet_ros
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" && . /opt/venv/bin/activate \
 && pip install --no-cache-dir -c /opt/venv/constraints.txt -e src/smaknet \
 && python3 -m colcon build --packages-select smaknet_ros

# What `docker stop` sends: on SIGTERM launch would leave its nodes to be killed.
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/bash", "-c", ". /opt/venv/bin/activate && . /ws/install/setup.bash && exec \"$@\"", "smaknet"]
CMD ["ros2", "launch", "smaknet_ros", "matcher.launch.py", "--show-args"]
